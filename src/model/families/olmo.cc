// OLMo: a dense decoder whose norms have no weights.
// Groeneveld et al., "OLMo: Accelerating the Science of Language Models", arXiv:2402.00838.
#include "model/families/olmo.h"

#include <variant>

#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"
#include "model/families/names.h"

namespace cadre::model {
namespace {

constexpr ClassDefaults kDefaults = {
    .vocab_size = 50304, .rms_norm_eps = 1e-5, .eos_token_id = 50279, .pad_token_id = 1};

// The eps of its norms is fixed: no key speaks of it.
ModelSpec read_olmo(const io::JsonView& config) {
  ModelSpec spec = read_common(kOlmo, config, kDefaults);
  spec.norm = NormKind::layer;
  spec.rms_norm_eps = kDefaults.rms_norm_eps;
  BlockSpec block = {.attention = read_attention(config, spec, kDefaults),
                     .feed_forward = MlpSpec{config.integer_or("intermediate_size", 11008)}};
  block.attention.clip_qkv = clip_or_none(config, "clip_qkv");
  read_attention_bias(config, "attention_bias", block.attention);
  spec.blocks.assign(layer_count(config, "num_hidden_layers", kDefaults.num_layers), block);
  return spec;
}

void write_olmo(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  const BlockSpec& block = spec.blocks.front();
  write_common_config(kOlmo, spec, dtype, json);
  json.set("attention_bias", block.attention.qkv_bias);
  json.set("clip_qkv", number_or_null(block.attention.clip_qkv));
  json.set("intermediate_size", std::get<MlpSpec>(block.feed_forward).intermediate_size);
}

constexpr auto kNames = join(kAttentionNames, kMlpNames);
constexpr NameLayout kLayouts[] = {{"as published", kNames}};

}  // namespace

const Family kOlmo = {"OlmoForCausalLM",
                      "olmo",
                      read_olmo,
                      write_olmo,
                      kLayouts,
                      R"({"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "rope_theta": 10000.0,
        "clip_qkv": null, "max_position_embeddings": 2048, "vocab_size": 50304,
        "tie_word_embeddings": false})"};

}  // namespace cadre::model
