// Snowflake Arctic: a dense-MoE hybrid. Beside attention and a dense MLP as wide as the stream
// stands a mixture of many experts that reads the block's input (nn/hybrid_block.h).
#include "model/families/arctic.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/io/json.h"
#include "core/io/tensor_source.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"
#include "model/families/names.h"

namespace cadre::model {
namespace {

// A key that is missing takes the class default of the reference. These are a copy of Mixtral's and
// far from the published model (7168 wide, 35 layers, 128 experts of 4864, 2 of them for a token,
// a mixture in each layer, parallel).
constexpr ClassDefaults kDefaults = {.max_positions = 4096,
                                     .rms_norm_eps = 1e-5,
                                     .rope_theta = 1e6,
                                     .router_aux_loss_coef = 0.001,
                                     .bos_token_id = 1,
                                     .eos_token_id = 2};

ModelSpec read_arctic(const io::JsonView& config) {
  require_false(config, "attention_bias");
  ModelSpec spec = read_common(kArctic, config, kDefaults);
  const int64_t num_heads = config.integer_or("num_attention_heads", kDefaults.num_heads);
  if (!config.is_null("quantization")) {
    spec.notes.push_back(config.at("quantization").where() +
                         ": rounding weights at load is not done, they are taken as stored");
  }

  const MlpSpec inner = {config.integer_or("intermediate_size", 14336)};
  const int64_t top_k = config.integer_or("num_experts_per_tok", 1);
  BlockSpec dense = {
      .attention = {.num_heads = num_heads,
                    .num_kv_heads = config.integer_or("num_key_value_heads", num_heads),
                    .head_dim = divide_heads(config, spec.hidden_size, num_heads),
                    .rope = {.theta = rope_theta_or(config, kDefaults.rope_theta)},
                    .window = config.integer_or("sliding_window", 0)},
      .feed_forward = inner};
  BlockSpec sparse = dense;
  sparse.feed_forward = MoeSpec{.router = {.num_experts = config.integer_or("num_local_experts", 8),
                                           .top_k = top_k,
                                           .renormalise = top_k > 1},
                                .expert = inner};
  // use_residual is read by some loaders alone; false contradicts a parallel layout.
  if (config.flag_or("parallel_attn_mlp_res", false)) {
    if (!config.flag_or("use_residual", true)) {
      fail(ErrorKind::unsupported, "{}: false with parallel_attn_mlp_res is not supported",
           config.at("use_residual").where());
    }
    sparse.residual_mlp = MlpSpec{spec.hidden_size};
  }
  const size_t layers = layer_count(config, "num_hidden_layers", kDefaults.num_layers);
  const int64_t frequency = config.integer_or("moe_layer_frequency", 2);
  if (frequency < 1) {
    fail(ErrorKind::invalid_input, "{}moe_layer_frequency = {}, expected at least 1",
         config.where(), frequency);
  }
  for (size_t layer = 0; layer < layers; ++layer) {
    const bool moe = (static_cast<int64_t>(layer) + 1) % frequency == 0;
    spec.blocks.push_back(moe ? sparse : dense);
  }
  return spec;
}

bool is_sparse(const BlockSpec& block) {
  return std::holds_alternative<MoeSpec>(block.feed_forward);
}

// The period of mixtures among the layers; one more than there are layers if all are dense.
int64_t moe_layer_frequency(const ModelSpec& spec) {
  int64_t frequency = 1;
  while (frequency <= spec.num_layers() &&
         !is_sparse(spec.blocks[static_cast<size_t>(frequency - 1)])) {
    ++frequency;
  }
  for (int64_t layer = 0; layer < spec.num_layers(); ++layer) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(layer)];
    const bool expected = (layer + 1) % frequency == 0;
    const BlockSpec& first = spec.blocks[static_cast<size_t>(expected ? frequency - 1 : 0)];
    if (is_sparse(block) != expected || !(block == first)) {
      fail(ErrorKind::unsupported,
           "an Arctic configuration cannot say what layer {} is; mixtures stand at equal distances "
           "and are alike",
           layer);
    }
  }
  return frequency;
}

void write_arctic(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  write_common_config(kArctic, spec, dtype, json);
  const int64_t frequency = moe_layer_frequency(spec);
  const BlockSpec& last =
      spec.blocks[static_cast<size_t>(std::min(frequency, spec.num_layers()) - 1)];
  const auto* moe = std::get_if<MoeSpec>(&last.feed_forward);
  json.set("intermediate_size", moe != nullptr
                                    ? moe->expert.intermediate_size
                                    : std::get<MlpSpec>(last.feed_forward).intermediate_size);
  json.set("num_local_experts", moe != nullptr ? moe->router.num_experts : 8);
  json.set("num_experts_per_tok", moe != nullptr ? moe->router.top_k : 1);
  json.set("moe_layer_frequency", frequency);
  json.set("parallel_attn_mlp_res", last.residual_mlp.has_value());
  json.set("use_residual", last.residual_mlp.has_value());
  json.set("sliding_window",
           last.attention.window > 0 ? io::JsonValue(last.attention.window) : io::JsonValue());
  json.set("router_aux_loss_coef", spec.router_aux_loss_coef);
  // Dropless; the capacities are those of the published model and mean nothing then.
  json.set("moe_train_capacity_factor", 1);
  json.set("moe_eval_capacity_factor", 1);
  json.set("moe_min_capacity", 0);
  json.set("moe_token_dropping", false);
  json.set("enable_expert_tensor_parallelism", false);
}

// What tables and arithmetic fix of the published model.
constexpr const char* kPublished = R"({
  "vocab_size": 32000, "hidden_size": 7168, "intermediate_size": 4864, "num_hidden_layers": 35,
  "num_attention_heads": 56, "num_key_value_heads": 8, "num_local_experts": 128,
  "num_experts_per_tok": 2, "moe_layer_frequency": 1, "parallel_attn_mlp_res": true,
  "use_residual": true, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000})";

// The configuration that was published first gives key/value heads as many as query heads, 56; the
// tensors have 8. The tensors count.
void reconcile_arctic(const io::TensorSource& files, ModelSpec& spec) {
  constexpr const char* kKey = "model.layers.0.self_attn.k_proj.weight";
  const io::TensorInfo* key = files.find(kKey);
  const AttentionSpec& attention = spec.blocks.front().attention;
  if (key == nullptr || key->shape.rank() != 2 || attention.head_dim < 1) return;
  const int64_t heads = key->shape.dim(0) / attention.head_dim;
  const bool possible = heads > 0 && heads * attention.head_dim == key->shape.dim(0) &&
                        attention.num_heads % heads == 0;
  if (!possible || heads == attention.num_kv_heads) return;
  spec.notes.push_back(
      fmt::format("num_key_value_heads = {}, but \"{}\" has {} of them: these count",
                  attention.num_kv_heads, kKey, heads));
  for (BlockSpec& block : spec.blocks) block.attention.num_kv_heads = heads;
}

constexpr NameRule kCommonNames[] = {
    {"embedding", Part::whole, "model.embed_tokens.weight"},
    {"blocks.{l}.attention_norm", Part::whole, "model.layers.{l}.input_layernorm.weight"},
    {"blocks.{l}.attention.query", Part::whole, "model.layers.{l}.self_attn.q_proj.weight"},
    {"blocks.{l}.attention.key", Part::whole, "model.layers.{l}.self_attn.k_proj.weight"},
    {"blocks.{l}.attention.value", Part::whole, "model.layers.{l}.self_attn.v_proj.weight"},
    {"blocks.{l}.attention.output", Part::whole, "model.layers.{l}.self_attn.o_proj.weight"},
    {"blocks.{l}.residual_norm", Part::whole, "model.layers.{l}.residual_layernorm.weight"},
    {"blocks.{l}.residual_mlp.gate_up", Part::gate, "model.layers.{l}.residual_mlp.w1.weight"},
    {"blocks.{l}.residual_mlp.gate_up", Part::up, "model.layers.{l}.residual_mlp.w3.weight"},
    {"blocks.{l}.residual_mlp.down", Part::whole, "model.layers.{l}.residual_mlp.w2.weight"},
    {"blocks.{l}.feed_forward_norm", Part::whole,
     "model.layers.{l}.post_attention_layernorm.weight"},
    {"blocks.{l}.mlp.gate_up", Part::gate, "model.layers.{l}.block_sparse_moe.mlp.w1.weight"},
    {"blocks.{l}.mlp.gate_up", Part::up, "model.layers.{l}.block_sparse_moe.mlp.w3.weight"},
    {"blocks.{l}.mlp.down", Part::whole, "model.layers.{l}.block_sparse_moe.mlp.w2.weight"},
    {"norm", Part::whole, "model.norm.weight"},
    {"head", Part::whole, "lm_head.weight"},
};
constexpr NameRule kMixtureNames[] = {
    {"blocks.{l}.router", Part::whole, "model.layers.{l}.block_sparse_moe.gate.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_gate,
     "model.layers.{l}.block_sparse_moe.experts.{e}.w1.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_up,
     "model.layers.{l}.block_sparse_moe.experts.{e}.w3.weight"},
    {"blocks.{l}.experts.down", Part::expert,
     "model.layers.{l}.block_sparse_moe.experts.{e}.w2.weight"},
};
// As DeepSpeed's layers call them; the publisher's converter takes that away.
constexpr NameRule kDeepSpeedNames[] = {
    {"blocks.{l}.router", Part::whole,
     "model.layers.{l}.block_sparse_moe.mlp.deepspeed_moe.gate.wg.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_gate,
     "model.layers.{l}.block_sparse_moe.mlp.deepspeed_moe.experts.deepspeed_experts.{e}.w1.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_up,
     "model.layers.{l}.block_sparse_moe.mlp.deepspeed_moe.experts.deepspeed_experts.{e}.w3.weight"},
    {"blocks.{l}.experts.down", Part::expert,
     "model.layers.{l}.block_sparse_moe.mlp.deepspeed_moe.experts.deepspeed_experts.{e}.w2.weight"},
};
constexpr auto kNames = join(kCommonNames, kMixtureNames);
constexpr auto kTrainedNames = join(kCommonNames, kDeepSpeedNames);

constexpr NameLayout kLayouts[] = {
    {"one tensor for each expert", kNames},
    {"one tensor for each expert, as DeepSpeed trains them", kTrainedNames},
};

}  // namespace

const Family kArctic = {.architecture = "ArcticForCausalLM",
                        .model_type = "arctic",
                        .read_config = read_arctic,
                        .write_config = write_arctic,
                        .layouts = kLayouts,
                        .published = kPublished,
                        .reconcile = reconcile_arctic,
                        .load_balancing = "arctic"};

}  // namespace cadre::model
