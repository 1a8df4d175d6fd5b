// Mistral: a dense decoder with grouped queries and a sliding window.
// Jiang et al., "Mistral 7B", arXiv:2310.06825.
#include "model/families/mistral.h"

#include <variant>

#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"
#include "model/families/names.h"

namespace cadre::model {
namespace {

constexpr ClassDefaults kDefaults = {.num_kv_heads = 8,
                                     .max_positions = 131072,
                                     .rms_norm_eps = 1e-6,
                                     .bos_token_id = 1,
                                     .eos_token_id = 2};

// A missing sliding_window is 4096 and a missing rms_norm_eps 1e-6; the published eps is 1e-5.
ModelSpec read_mistral(const io::JsonView& config) {
  ModelSpec spec = read_common(kMistral, config, kDefaults);
  BlockSpec block = {.attention = read_attention(config, spec, kDefaults),
                     .feed_forward = MlpSpec{config.integer_or("intermediate_size", 14336)}};
  block.attention.window = window_or(config, "sliding_window", 4096);
  spec.blocks.assign(layer_count(config, "num_hidden_layers", kDefaults.num_layers), block);
  return spec;
}

void write_mistral(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  const BlockSpec& block = spec.blocks.front();
  write_common_config(kMistral, spec, dtype, json);
  json.set("sliding_window", integer_or_null(block.attention.window));
  json.set("intermediate_size", std::get<MlpSpec>(block.feed_forward).intermediate_size);
}

constexpr auto kNames = join(kAttentionNames, kPreNormNames, kMlpNames);
constexpr NameLayout kLayouts[] = {{"as published", kNames}};

}  // namespace

const Family kMistral = {
    "MistralForCausalLM",
    "mistral",
    read_mistral,
    write_mistral,
    kLayouts,
    R"({"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0, "sliding_window": 4096, "max_position_embeddings": 32768,
        "vocab_size": 32000, "tie_word_embeddings": false})"};

}  // namespace cadre::model
