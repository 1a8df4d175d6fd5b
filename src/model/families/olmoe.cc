// OLMoE: many small experts; queries and keys normalised at full width.
// Muennighoff et al., "OLMoE: Open Mixture-of-Experts Language Models", arXiv:2409.02060.
#include "model/families/olmoe.h"

#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"
#include "model/families/names.h"

namespace cadre::model {
namespace {

constexpr ClassDefaults kDefaults = {.vocab_size = 50304,
                                     .hidden_size = 2048,
                                     .num_layers = 16,
                                     .num_heads = 16,
                                     .max_positions = 4096,
                                     .rms_norm_eps = 1e-5,
                                     .router_aux_loss_coef = 0.01,
                                     .eos_token_id = 50279,
                                     .pad_token_id = 1};

// The class default of intermediate_size is not the published value (1024).
ModelSpec read_olmoe(const io::JsonView& config) {
  ModelSpec spec = read_common(kOlmoe, config, kDefaults);
  BlockSpec block = {
      .attention = read_attention(config, spec, kDefaults),
      .feed_forward = MoeSpec{.router = {.num_experts = config.integer_or("num_experts", 64),
                                         .top_k = config.integer_or("num_experts_per_tok", 8),
                                         .renormalise = config.flag_or("norm_topk_prob", false)},
                              .expert = {config.integer_or("intermediate_size", 2048)}},
  };
  block.attention.qk_norm = QkNorm::full_width;
  block.attention.clip_qkv = clip_or_none(config, "clip_qkv");
  read_attention_bias(config, "attention_bias", block.attention);
  spec.blocks.assign(layer_count(config, "num_hidden_layers", kDefaults.num_layers), block);
  return spec;
}

void write_olmoe(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  const BlockSpec& block = spec.blocks.front();
  const auto& moe = std::get<MoeSpec>(block.feed_forward);
  write_common_config(kOlmoe, spec, dtype, json);
  json.set("attention_bias", block.attention.qkv_bias);
  json.set("clip_qkv", number_or_null(block.attention.clip_qkv));
  json.set("intermediate_size", moe.expert.intermediate_size);
  json.set("num_experts", moe.router.num_experts);
  json.set("num_experts_per_tok", moe.router.top_k);
  json.set("norm_topk_prob", moe.router.renormalise);
  json.set("output_router_logits", false);
  json.set("router_aux_loss_coef", spec.router_aux_loss_coef);
}

constexpr auto kNames = join(kAttentionNames, kPreNormNames, kExpertNames);
constexpr auto kPackedNames = join(kAttentionNames, kPreNormNames, kPackedExpertNames);

constexpr NameLayout kLayouts[] = {
    {"one tensor for each expert", kNames},
    {"experts packed", kPackedNames},
};

}  // namespace

const Family kOlmoe = {"OlmoeForCausalLM",
                       "olmoe",
                       read_olmoe,
                       write_olmoe,
                       kLayouts,
                       R"({"hidden_size": 2048, "intermediate_size": 1024, "num_hidden_layers": 16,
        "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 64,
        "num_experts_per_tok": 8, "norm_topk_prob": false, "vocab_size": 50304,
        "rope_theta": 10000.0, "max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
        "clip_qkv": null, "tie_word_embeddings": false})"};

}  // namespace cadre::model
