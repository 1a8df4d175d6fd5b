#include "train/pretrain/config.h"

#include "core/base/error.h"
#include "core/io/fields_io.h"

namespace cadre::train {

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
  spec.architecture = "OlmoeForCausalLM";
  spec.vocab_size = vocab_size;
  spec.hidden_size = from.hidden_size;
  spec.max_positions = from.max_positions > 0 ? from.max_positions : config.data.sequence_length;
  spec.rms_norm_eps = from.rms_norm_eps;
  spec.initializer_range = from.initializer_range;
  spec.tied_embeddings = from.tied_embeddings;
  spec.eos_token_id = eos_token_id;
  spec.pad_token_id = pad_token_id;
  spec.router_aux_loss_coef =
      config.loss.load_balancing == "none" ? 0.0 : config.loss.load_balancing_weight;
  spec.blocks.assign(static_cast<size_t>(from.num_layers), block);
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

model::RouterLossOptions router_loss_options(const LossConfig& config) {
  return {.load_balancing = model::load_balancing_from_name(config.load_balancing),
          .load_balancing_weight = config.load_balancing_weight,
          .z_weight = config.z_weight,
          .z_divides_by_top_k = config.z_divides_by_top_k};
}

}  // namespace cadre::train
