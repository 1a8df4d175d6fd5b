// Writing a model as a Hugging Face directory in few bits: integers as compressed-tensors packs
// them, or eight-bit floats with a scale for each block of 128 x 128 as in DeepSeek-V3
// (arXiv:2412.19437, section 3.3). Experts, attention and MLPs are rounded; embedding, head, router
// and norms are kept in the source's types.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "core/io/json_value.h"
#include "model/convert.h"
#include "model/weights.h"
#include "quant/importance.h"
#include "quant/round_group.h"
#include "quant/tensors.h"

namespace cadre::quant {

enum class HfScheme { int4, int8, fp8 };

struct HfQuantiseOptions {
  HfScheme scheme = HfScheme::int4;
  GroupFormat integers;  // bits follow from the scheme
  int64_t max_shard_bytes = int64_t{5'000'000'000};
};

// "int4", "int8" or "fp8" sets the scheme; false for other words.
bool set_hf_scheme(std::string_view name, HfQuantiseOptions& options);

// The tensors of the directory, each with its scheme and bytes, or the type it is kept in. A matrix
// whose rows are not whole groups is kept.
std::vector<OutputTensor> planned_hf_tensors(const model::Weights& weights,
                                             const model::ModelSpec& spec,
                                             const HfQuantiseOptions& options);

// What config.json says of it under "quantization_config".
io::JsonValue quantization_config(const std::vector<OutputTensor>& tensors,
                                  const HfQuantiseOptions& options);

// Writes the weights into an existing folder. Memory is bounded by the largest tensor. The same
// bytes with any number of threads. Not atomic.
void write_hf_quantised(Context& ctx, const std::filesystem::path& folder,
                        const model::Weights& weights, const model::ModelSpec& spec,
                        const HfQuantiseOptions& options, const Importance& importance,
                        const model::ConvertProgress& progress);

}  // namespace cadre::quant
