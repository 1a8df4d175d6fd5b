// Keys of config.json that families have in common, and refusals of what none can express.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/io/json.h"
#include "model/families/family.h"

namespace cadre::model {

// Each throws Error(unsupported), naming file, key, found and expected.
void require_absent_or(const io::JsonView& config, std::string_view key, std::string_view expected);
void require_false(const io::JsonView& config, std::string_view key);
void require_null(const io::JsonView& config, std::string_view key);

// What the class of a reference takes for keys that are missing, which is often not the published
// value.
struct ClassDefaults {
  int64_t vocab_size = 32000;
  int64_t hidden_size = 4096;
  int64_t num_layers = 32;
  int64_t num_heads = 32;
  int64_t num_kv_heads = 0;  // 0: as many as num_heads
  int64_t max_positions = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  double router_aux_loss_coef = 0.0;
  int64_t bos_token_id = -1;
  int64_t eos_token_id = -1;
  int64_t pad_token_id = -1;
};

// A spec without blocks: architecture, sizes, norms, ids. Refuses a hidden_act other than silu.
ModelSpec read_common(const Family& family, const io::JsonView& config,
                      const ClassDefaults& defaults);

// Heads and rotation; an explicit head_dim counts where there is one, and null key/value heads mean
// as many as query heads.
AttentionSpec read_attention(const io::JsonView& config, const ModelSpec& spec,
                             const ClassDefaults& defaults);

// Biases on all four projections if the flag is set.
void read_attention_bias(const io::JsonView& config, std::string_view key, AttentionSpec& spec);

// A number above 0, or 0 for null or an absent key.
double clip_or_none(const io::JsonView& config, std::string_view key);

// The width of a sliding window: 0 for null, `fallback` for an absent key; throws
// Error(invalid_input) for less than 1.
int64_t window_or(const io::JsonView& config, std::string_view key, int64_t fallback);

// hidden_size / num_heads; throws Error(invalid_input) if it does not divide.
int64_t divide_heads(const io::JsonView& config, int64_t hidden_size, int64_t num_heads);

// rope_theta at the top level or in rope_parameters, where transformers 5 keeps it. Throws
// Error(unsupported) for a rope_scaling or a rope_type that is not the default.
double rope_theta_or(const io::JsonView& config, double fallback);

// The same with the scalings of RopeSpec; others are refused by name.
RopeSpec rope_or(const io::JsonView& config, double fallback_theta);

// An id; -1 for null and for what is below 0; the first of a list, as some configurations write
// eos_token_id.
int64_t token_id_or(const io::JsonView& config, std::string_view key, int64_t fallback);

// The number of layers, bounded so that a hostile file cannot claim memory.
size_t layer_count(const io::JsonView& config, std::string_view key, int64_t fallback);

// What write_config functions share: architecture, sizes, attention, ids, dtype.
void write_common_config(const Family& family, const ModelSpec& spec, DType dtype,
                         io::JsonValue& json);

// null for 0, else the number.
io::JsonValue number_or_null(double value);
io::JsonValue integer_or_null(int64_t value);

}  // namespace cadre::model
