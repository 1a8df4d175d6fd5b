// Llama: the dense decoder that many others are variations of; also those that only carry its name.
// Touvron et al., "LLaMA", arXiv:2302.13971; Grattafiori et al., "The Llama 3 Herd of Models",
// arXiv:2407.21783.
#include "model/families/llama.h"

#include <variant>

#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"
#include "model/families/names.h"

namespace cadre::model {
namespace {

constexpr ClassDefaults kDefaults = {.bos_token_id = 1, .eos_token_id = 2};

ModelSpec read_llama(const io::JsonView& config) {
  ModelSpec spec = read_common(kLlama, config, kDefaults);
  BlockSpec block = {.attention = read_attention(config, spec, kDefaults),
                     .feed_forward = MlpSpec{config.integer_or("intermediate_size", 11008),
                                             config.flag_or("mlp_bias", false)}};
  read_attention_bias(config, "attention_bias", block.attention);
  spec.blocks.assign(layer_count(config, "num_hidden_layers", kDefaults.num_layers), block);
  return spec;
}

void write_llama(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  const BlockSpec& block = spec.blocks.front();
  const auto& mlp = std::get<MlpSpec>(block.feed_forward);
  write_common_config(kLlama, spec, dtype, json);
  json.set("attention_bias", block.attention.qkv_bias);
  json.set("mlp_bias", mlp.bias);
  json.set("intermediate_size", mlp.intermediate_size);
}

constexpr auto kNames = join(kAttentionNames, kPreNormNames, kMlpNames);
constexpr NameLayout kLayouts[] = {{"as published", kNames}};

}  // namespace

const Family kLlama = {"LlamaForCausalLM",
                       "llama",
                       read_llama,
                       write_llama,
                       kLayouts,
                       R"({"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
        "rope_theta": 500000.0, "max_position_embeddings": 8192, "vocab_size": 128256,
        "tie_word_embeddings": false})"};

}  // namespace cadre::model
