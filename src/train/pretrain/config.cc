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

model::ModelSpec build_spec(const TrainConfig& config, int64_t vocab_size, int64_t eos_token_id,
                            int64_t pad_token_id) {
  const ModelConfig& from = config.model;
  if (from.head_dim == 0 && from.hidden_size % from.num_heads != 0) {
    fail(ErrorKind::invalid_input,
         "model: hidden_size = {} is not a multiple of num_heads = {}; give head_dim",
         from.hidden_size, from.num_heads);
  }
  model::BlockSpec block;
  block.attention.num_heads = from.num_heads;
  block.attention.num_kv_heads = from.num_kv_heads > 0 ? from.num_kv_heads : from.num_heads;
  block.attention.head_dim = from.head_dim > 0 ? from.head_dim : from.hidden_size / from.num_heads;
  block.attention.rope.theta = from.rope_theta;
  block.attention.qk_norm = from.qk_norm ? model::QkNorm::full_width : model::QkNorm::none;
  model::MoeSpec moe;
  moe.router.num_experts = from.num_experts;
  moe.router.top_k = from.top_k;
  moe.router.renormalise = from.renormalise;
  moe.expert.intermediate_size = from.expert_size;
  block.feed_forward = moe;

  model::ModelSpec spec;
  // Files of OLMoE always have norms of queries and keys, those of Mixtral never. Where routers are
  // not those of the family, the configuration says so (model/router_json.h).
  spec.architecture = from.qk_norm ? "OlmoeForCausalLM" : "MixtralForCausalLM";
  spec.vocab_size = vocab_size;
  spec.hidden_size = from.hidden_size;
  spec.max_positions = from.max_positions > 0 ? from.max_positions : config.data.sequence_length;
  spec.rms_norm_eps = from.rms_norm_eps;
  spec.initializer_range = from.initializer_range;
  spec.tied_embeddings = from.tied_embeddings;
  spec.eos_token_id = eos_token_id;
  spec.pad_token_id = pad_token_id;
  spec.fan_in_scale = from.fan_in_scale;
  spec.router_aux_loss_coef =
      load_balancing(config) == LoadBalancing::none ? 0.0 : config.loss.load_balancing_weight;
  spec.blocks.assign(static_cast<size_t>(from.num_layers), block);
  apply_router(config.router, spec);
  model::validate(spec, "model");
  if (spec.max_positions < config.data.sequence_length) {
    fail(ErrorKind::invalid_input,
         "model: max_positions = {}, expected at least the {} of "
         "data.sequence_length",
         spec.max_positions, config.data.sequence_length);
  }
  return spec;
}

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
