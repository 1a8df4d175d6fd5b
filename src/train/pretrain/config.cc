#include "train/pretrain/config.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/io/fields_io.h"

namespace cadre::train {

void validate(const TrainConfig& config) {
  TrainConfig copy = config;
  io::check_fields(io::list_fields(copy), "training");
  if (config.run.minutes > 0.0) return;  // the number of steps is not known yet
  const ScheduleOptions& schedule = config.optim.schedule;
  if (std::max<int64_t>(0, schedule.warmup_steps) + schedule.anneal_steps > config.run.steps) {
    fail(ErrorKind::invalid_input,
         "optim: warmup_steps = {} and anneal_steps = {}, expected at most the {} of run.steps "
         "together",
         schedule.warmup_steps, schedule.anneal_steps, config.run.steps);
  }
}

}  // namespace cadre::train
