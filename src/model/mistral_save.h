// Writing a model as Mistral AI publishes them: params.json and consolidated.safetensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/ops/context.h"
#include "model/convert.h"
#include "model/spec.h"
#include "model/weights.h"

namespace cadre::model {

// The bytes of all tensors. Throws as mistral_params for models that the format cannot express.
int64_t mistral_weight_bytes(const Weights& weights, const ModelSpec& spec,
                             std::optional<DType> dtype);

// Writes both files into an existing folder, and those of the tokenizer at `source`. Memory and
// errors as write_hf_weights; not atomic.
void write_mistral(Context& ctx, const std::filesystem::path& folder,
                   const std::filesystem::path& source, const Weights& weights,
                   const ModelSpec& spec, std::optional<DType> dtype,
                   const ConvertProgress& progress);

}  // namespace cadre::model
