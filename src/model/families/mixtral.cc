// Mixtral: few large experts, two of them for each token, weights rescaled to sum to one.
// Jiang et al., "Mixtral of Experts", arXiv:2401.04088.
#include "model/families/mixtral.h"

#include <variant>

#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"
#include "model/families/names.h"

namespace cadre::model {
namespace {

constexpr ClassDefaults kDefaults = {.num_kv_heads = 8,
                                     .max_positions = 131072,
                                     .rms_norm_eps = 1e-5,
                                     .rope_theta = 1e6,
                                     .router_aux_loss_coef = 0.001,
                                     .bos_token_id = 1,
                                     .eos_token_id = 2};

// A missing sliding_window is none, unlike Mistral's.
ModelSpec read_mixtral(const io::JsonView& config) {
  ModelSpec spec = read_common(kMixtral, config, kDefaults);
  BlockSpec block = {
      .attention = read_attention(config, spec, kDefaults),
      .feed_forward =
          MoeSpec{.router = {.num_experts = config.integer_or("num_local_experts", 8),
                             .top_k = config.integer_or("num_experts_per_tok", 2),
                             .renormalise = true,
                             .jitter_noise = config.number_or("router_jitter_noise", 0.0)},
                  .expert = {config.integer_or("intermediate_size", 14336)}},
  };
  block.attention.window = window_or(config, "sliding_window", 0);
  spec.blocks.assign(layer_count(config, "num_hidden_layers", kDefaults.num_layers), block);
  return spec;
}

void write_mixtral(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  const BlockSpec& block = spec.blocks.front();
  const auto& moe = std::get<MoeSpec>(block.feed_forward);
  write_common_config(kMixtral, spec, dtype, json);
  json.set("sliding_window", integer_or_null(block.attention.window));
  json.set("intermediate_size", moe.expert.intermediate_size);
  json.set("num_local_experts", moe.router.num_experts);
  json.set("num_experts_per_tok", moe.router.top_k);
  json.set("output_router_logits", false);
  json.set("router_aux_loss_coef", spec.router_aux_loss_coef);
  json.set("router_jitter_noise", moe.router.jitter_noise);
}

constexpr NameRule kMixtureNames[] = {
    {"blocks.{l}.router", Part::whole, "model.layers.{l}.block_sparse_moe.gate.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_gate,
     "model.layers.{l}.block_sparse_moe.experts.{e}.w1.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_up,
     "model.layers.{l}.block_sparse_moe.experts.{e}.w3.weight"},
    {"blocks.{l}.experts.down", Part::expert,
     "model.layers.{l}.block_sparse_moe.experts.{e}.w2.weight"},
};
constexpr auto kNames = join(kAttentionNames, kPreNormNames, kMixtureNames);
constexpr auto kPackedNames = join(kAttentionNames, kPreNormNames, kPackedExpertNames);

constexpr NameLayout kLayouts[] = {
    {"one tensor for each expert", kNames},
    {"experts packed", kPackedNames},
};

}  // namespace

const Family kMixtral = {
    .architecture = "MixtralForCausalLM",
    .model_type = "mixtral",
    .read_config = read_mixtral,
    .write_config = write_mixtral,
    .layouts = kLayouts,
    .published = R"({"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
        "num_experts_per_tok": 2, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
        "sliding_window": null, "max_position_embeddings": 32768, "vocab_size": 32000,
        "router_aux_loss_coef": 0.02, "tie_word_embeddings": false})",
    .load_balancing = "transformers"};

}  // namespace cadre::model
