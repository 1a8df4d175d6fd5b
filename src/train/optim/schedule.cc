#include "train/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/error.h"

namespace cadre::train {

Schedule::Schedule(ScheduleOptions options, double peak, int64_t total_steps)
    : options_(std::move(options)), peak_(peak), total_steps_(total_steps) {
  if (total_steps < 1) {
    fail(ErrorKind::invalid_input, "schedule: {} steps in all, expected at least 1", total_steps);
  }
  if (options_.anneal_steps > total_steps) {
    fail(ErrorKind::invalid_input, "schedule: anneal_steps = {}, expected at most the {} steps",
         options_.anneal_steps, total_steps);
  }
  if (options_.warmup_steps < 0) {
    options_.warmup_steps = std::min<int64_t>(100, (total_steps - options_.anneal_steps) / 10);
  }
}

double Schedule::main_course(int64_t step) const {
  const int64_t end = total_steps_ - options_.anneal_steps;
  const int64_t warmup = options_.warmup_steps;
  if (step < warmup) {
    const double share = static_cast<double>(step) / static_cast<double>(warmup);
    const double start = options_.warmup_start_factor;
    return peak_ * (start + (1.0 - start) * share);
  }
  if (options_.schedule == "constant") return peak_;
  const double floor = options_.final_factor;
  const auto falling = [&](double share) { return peak_ * (floor + (1.0 - floor) * share); };
  if (options_.schedule == "wsd") {
    const auto decay =
        static_cast<int64_t>(std::llround(options_.decay_share * static_cast<double>(end)));
    const int64_t start = std::max(warmup, end - decay);
    if (step < start || end <= start) return peak_;
    const double q =
        std::min(1.0, static_cast<double>(step - start) / static_cast<double>(end - start));
    return falling(options_.decay_shape == "sqrt" ? 1.0 - std::sqrt(q) : 1.0 - q);
  }
  if (step >= end) return falling(0.0);
  const double p = static_cast<double>(step - warmup) / static_cast<double>(end - warmup);
  if (options_.schedule == "linear") return falling(1.0 - p);
  return falling((1.0 + std::cos(3.14159265358979323846 * p)) / 2.0);
}

double Schedule::at(int64_t step) const {
  const int64_t start = total_steps_ - options_.anneal_steps;
  if (options_.anneal_steps == 0 || step < start) return main_course(step);
  const double left = static_cast<double>(std::max<int64_t>(0, total_steps_ - step));
  return main_course(start) * left / static_cast<double>(options_.anneal_steps);
}

}  // namespace cadre::train
