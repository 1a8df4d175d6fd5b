#include "train/pretrain/config.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/io/fields_io.h"

namespace cadre::train {
namespace {

using model::LoadBalancing;

LoadBalancing load_balancing(const TrainConfig& config) {
  if (config.loss.load_balancing != "auto") {
    return model::load_balancing_from_name(config.loss.load_balancing);
  }
  const std::string& kind = config.router.kind;
  if (kind == "switch") return LoadBalancing::switch_transformer;
  if (kind == "gshard") return LoadBalancing::gshard;
  if (kind == "deepspeed_top_1" || kind == "deepspeed_top_2" || kind == "st_moe") {
    return LoadBalancing::deepspeed;
  }
  const bool has_none = kind == "noisy_top_k" || kind == "expert_choice" || kind == "attention" ||
                        kind == "deepseek_v3";
  return has_none ? LoadBalancing::none : LoadBalancing::megablocks;
}

}  // namespace

void validate(const TrainConfig& config) {
  TrainConfig copy = config;
  io::check_fields(io::list_fields(copy), "training");
  if (config.run.minutes > 0.0) return;  // the number of steps is not known yet
  const ScheduleOptions& schedule = config.optim.schedule;
  if (schedule.warmup_steps + schedule.anneal_steps > config.run.steps) {
    fail(ErrorKind::invalid_input,
         "optim: warmup_steps = {} and anneal_steps = {}, expected at most the {} of run.steps "
         "together",
         schedule.warmup_steps, schedule.anneal_steps, config.run.steps);
  }
}

model::RouterLossOptions router_loss_options(const TrainConfig& config,
                                             const model::ModelSpec& spec) {
  const bool noisy = std::ranges::any_of(spec.blocks, [](const model::BlockSpec& block) {
    const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward);
    return moe != nullptr && moe->router.noise == ops::LogitNoise::gaussian;
  });
  const LossConfig& loss = config.loss;
  if (!noisy && (loss.importance_weight > 0.0 || loss.load_weight > 0.0)) {
    fail(ErrorKind::invalid_input,
         "loss: importance_weight = {} and load_weight = {} are of routers with router.noise = "
         "\"gaussian\"",
         loss.importance_weight, loss.load_weight);
  }
  const auto weight = [&](double value) { return value >= 0.0 ? value : noisy ? 0.1 : 0.0; };
  return {.load_balancing = load_balancing(config),
          .load_balancing_weight = loss.load_balancing_weight,
          .z_weight = loss.z_weight,
          .z_divides_by_top_k = loss.z_divides_by_top_k,
          .importance_weight = weight(loss.importance_weight),
          .load_weight = weight(loss.load_weight)};
}

}  // namespace cadre::train
