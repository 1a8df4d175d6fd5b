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

// hidden_size / num_heads; throws Error(invalid_input) if it does not divide.
int64_t divide_heads(const io::JsonView& config, int64_t hidden_size, int64_t num_heads);

// rope_theta at the top level or in rope_parameters, where transformers 5 keeps it. Throws
// Error(unsupported) for a rope_scaling or a rope_type that is not the default.
double rope_theta_or(const io::JsonView& config, double fallback);

// An id; -1 for null; the first of a list, as some configurations write eos_token_id.
int64_t token_id_or(const io::JsonView& config, std::string_view key, int64_t fallback);

// The number of layers, bounded so that a hostile file cannot claim memory.
size_t layer_count(const io::JsonView& config, std::string_view key, int64_t fallback);

// What write_config functions share: architecture, sizes, attention, ids, dtype.
void write_common_config(const Family& family, const ModelSpec& spec, DType dtype,
                         io::JsonValue& json);

}  // namespace cadre::model
