// OLMo 2: a dense decoder that normalises what its parts give, and queries and keys at full width.
// OLMo team, "2 OLMo 2 Furious", arXiv:2501.00656.
#include "model/families/olmo2.h"

#include <variant>

#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"
#include "model/families/names.h"

namespace cadre::model {
namespace {

constexpr ClassDefaults kDefaults = {
    .vocab_size = 50304, .rms_norm_eps = 1e-5, .eos_token_id = 50279, .pad_token_id = 1};

ModelSpec read_olmo2(const io::JsonView& config) {
  ModelSpec spec = read_common(kOlmo2, config, kDefaults);
  BlockSpec block = {.norm = NormPlacement::after,
                     .attention = read_attention(config, spec, kDefaults),
                     .feed_forward = MlpSpec{config.integer_or("intermediate_size", 11008)}};
  block.attention.qk_norm = QkNorm::full_width;
  read_attention_bias(config, "attention_bias", block.attention);
  spec.blocks.assign(layer_count(config, "num_hidden_layers", kDefaults.num_layers), block);
  return spec;
}

void write_olmo2(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  const BlockSpec& block = spec.blocks.front();
  write_common_config(kOlmo2, spec, dtype, json);
  json.set("attention_bias", block.attention.qkv_bias);
  json.set("intermediate_size", std::get<MlpSpec>(block.feed_forward).intermediate_size);
}

constexpr NameRule kPostNormNames[] = {
    {"blocks.{l}.attention_norm", Part::whole, "model.layers.{l}.post_attention_layernorm.weight"},
    {"blocks.{l}.feed_forward_norm", Part::whole,
     "model.layers.{l}.post_feedforward_layernorm.weight"},
};
constexpr auto kNames = join(kAttentionNames, kPostNormNames, kMlpNames);
constexpr NameLayout kLayouts[] = {{"as published", kNames}};

}  // namespace

const Family kOlmo2 = {"Olmo2ForCausalLM",
                       "olmo2",
                       read_olmo2,
                       write_olmo2,
                       kLayouts,
                       R"({"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "rms_norm_eps": 1e-06,
        "rope_theta": 500000.0, "max_position_embeddings": 4096, "vocab_size": 100352,
        "tie_word_embeddings": false})"};

}  // namespace cadre::model
