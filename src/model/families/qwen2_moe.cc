// Qwen2-MoE: fine-grained experts beside a gated shared one, biases on queries, keys and values.
// Yang et al., "Qwen2 Technical Report", arXiv:2407.10671.
#include "model/families/qwen2_moe.h"

#include <variant>
#include <vector>

#include "core/base/error.h"
#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"
#include "model/families/names.h"

namespace cadre::model {
namespace {

constexpr ClassDefaults kDefaults = {.vocab_size = 151936,
                                     .hidden_size = 2048,
                                     .num_layers = 24,
                                     .num_heads = 16,
                                     .num_kv_heads = 16,
                                     .max_positions = 32768,
                                     .router_aux_loss_coef = 0.001};

// True for layers with a mixture: those that mlp_only_layers does not name, every
// decoder_sparse_step-th.
std::vector<bool> sparse_layers(const io::JsonView& config, size_t num_layers) {
  const int64_t step = config.integer_or("decoder_sparse_step", 1);
  if (step < 1) {
    fail(ErrorKind::invalid_input, "{}: decoder_sparse_step = {}, expected at least 1",
         config.where(), step);
  }
  const bool any = config.integer_or("num_experts", 60) > 0;
  std::vector<bool> sparse;
  for (size_t layer = 0; layer < num_layers; ++layer) {
    sparse.push_back(any && (static_cast<int64_t>(layer) + 1) % step == 0);
  }
  if (config.is_null("mlp_only_layers")) return sparse;
  for (const int64_t layer : config.integer_list("mlp_only_layers")) {
    if (layer >= 0 && layer < static_cast<int64_t>(num_layers)) {
      sparse[static_cast<size_t>(layer)] = false;
    }
  }
  return sparse;
}

// The window of each layer. Which layers have one has changed between versions of the reference, so
// a configuration with windows must say it itself.
std::vector<int64_t> windows(const io::JsonView& config, size_t num_layers) {
  std::vector<int64_t> windows(num_layers, 0);
  if (!config.flag_or("use_sliding_window", false)) return windows;
  const int64_t window = window_or(config, "sliding_window", 4096);
  const std::vector<std::string> types = config.string_list("layer_types");
  if (types.size() != num_layers) {
    fail(ErrorKind::invalid_input, "{} has {} entries, expected {} (num_hidden_layers)",
         config.at("layer_types").where(), types.size(), num_layers);
  }
  for (size_t layer = 0; layer < num_layers; ++layer) {
    if (types[layer] == "sliding_attention") {
      windows[layer] = window;
    } else if (types[layer] != "full_attention") {
      fail(ErrorKind::unsupported,
           "{} names {}, only full_attention and sliding_attention are supported",
           config.at("layer_types").where(), types[layer]);
    }
  }
  return windows;
}

ModelSpec read_qwen2_moe(const io::JsonView& config) {
  ModelSpec spec = read_common(kQwen2Moe, config, kDefaults);
  const size_t num_layers = layer_count(config, "num_hidden_layers", kDefaults.num_layers);
  const std::vector<bool> sparse = sparse_layers(config, num_layers);
  const std::vector<int64_t> window = windows(config, num_layers);
  const MlpSpec dense = {config.integer_or("intermediate_size", 5632)};
  const MoeSpec moe = {
      .router = {.num_experts = config.integer_or("num_experts", 60),
                 .top_k = config.integer_or("num_experts_per_tok", 4),
                 .renormalise = config.flag_or("norm_topk_prob", false)},
      .expert = {config.integer_or("moe_intermediate_size", 1408)},
      .shared = {.intermediate_size = config.integer_or("shared_expert_intermediate_size", 5632),
                 .sigmoid_gate = true}};
  BlockSpec block = {.attention = read_attention(config, spec, kDefaults), .feed_forward = dense};
  block.attention.qkv_bias = config.flag_or("qkv_bias", true);
  for (size_t layer = 0; layer < num_layers; ++layer) {
    block.attention.window = window[layer];
    if (sparse[layer]) {
      block.feed_forward = moe;
    } else {
      block.feed_forward = dense;
    }
    spec.blocks.push_back(block);
  }
  return spec;
}

void write_layers(const ModelSpec& spec, io::JsonValue& json) {
  MoeSpec moe;
  MlpSpec dense;
  int64_t window = 0;
  std::vector<int64_t> dense_layers;
  std::vector<std::string> types;
  for (int64_t layer = 0; layer < spec.num_layers(); ++layer) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(layer)];
    if (const auto* mlp = std::get_if<MlpSpec>(&block.feed_forward)) {
      dense = *mlp;
      dense_layers.push_back(layer);
    } else {
      moe = std::get<MoeSpec>(block.feed_forward);
    }
    if (block.attention.window > 0) window = block.attention.window;
    types.push_back(block.attention.window > 0 ? "sliding_attention" : "full_attention");
  }
  // A width that no layer has may be any; readers expect one.
  const int64_t shared = moe.shared.intermediate_size;
  json.set("intermediate_size", dense.intermediate_size > 0 ? dense.intermediate_size : shared);
  json.set("mlp_only_layers", dense_layers);
  json.set("decoder_sparse_step", 1);
  json.set("num_experts", moe.router.num_experts);
  json.set("num_experts_per_tok", moe.router.top_k);
  json.set("norm_topk_prob", moe.router.renormalise);
  json.set("moe_intermediate_size", moe.expert.intermediate_size);
  json.set("shared_expert_intermediate_size", shared);
  json.set("use_sliding_window", window > 0);
  json.set("sliding_window", integer_or_null(window));
  json.set("max_window_layers", spec.num_layers());
  json.set("layer_types", types);
}

void write_qwen2_moe(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  write_common_config(kQwen2Moe, spec, dtype, json);
  json.set("qkv_bias", spec.blocks.front().attention.qkv_bias);
  write_layers(spec, json);
  json.set("output_router_logits", false);
  json.set("router_aux_loss_coef", spec.router_aux_loss_coef);
}

constexpr NameRule kSharedNames[] = {
    {"blocks.{l}.shared_expert.gate_up", Part::gate,
     "model.layers.{l}.mlp.shared_expert.gate_proj.weight"},
    {"blocks.{l}.shared_expert.gate_up", Part::up,
     "model.layers.{l}.mlp.shared_expert.up_proj.weight"},
    {"blocks.{l}.shared_expert.down", Part::whole,
     "model.layers.{l}.mlp.shared_expert.down_proj.weight"},
    {"blocks.{l}.shared_expert_gate", Part::whole,
     "model.layers.{l}.mlp.shared_expert_gate.weight"},
};
constexpr auto kNames = join(kAttentionNames, kPreNormNames, kMlpNames, kExpertNames, kSharedNames);
constexpr auto kPackedNames =
    join(kAttentionNames, kPreNormNames, kMlpNames, kPackedExpertNames, kSharedNames);

constexpr NameLayout kLayouts[] = {
    {"one tensor for each expert", kNames},
    {"experts packed", kPackedNames},
};

}  // namespace

const Family kQwen2Moe = {
    .architecture = "Qwen2MoeForCausalLM",
    .model_type = "qwen2_moe",
    .read_config = read_qwen2_moe,
    .write_config = write_qwen2_moe,
    .layouts = kLayouts,
    .published = R"({"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
        "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 60,
        "num_experts_per_tok": 4, "norm_topk_prob": false, "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632, "decoder_sparse_step": 1, "mlp_only_layers": [],
        "qkv_bias": true, "use_sliding_window": false, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "max_position_embeddings": 8192, "vocab_size": 151936,
        "tie_word_embeddings": false})",
    .load_balancing = "transformers"};

}  // namespace cadre::model
