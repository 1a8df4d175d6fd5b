// Opening a model wherever it comes from: one way for every format that format.h lists.
//
// A place is what a user names: a Hugging Face directory or its config.json, another publisher's
// directory, a single file. docs/formats.md has the table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "core/ops/context.h"
#include "model/decoder.h"
#include "model/parameters.h"
#include "model/spec.h"
#include "model/weights.h"

namespace cadre::model {

// The configuration alone. Throws Error(not_found, corrupt_data, unsupported or invalid_input),
// naming file and key.
ModelSpec read_spec(const std::filesystem::path& place);

// The weights, mapped and checked against the spec; pages are read when they are used. Errors of
// weights_in (weights.h).
std::unique_ptr<const Weights> open_weights(const std::filesystem::path& place,
                                            const ModelSpec& spec);

// Fills one target of the parameter's shape for each parameter of the list, converting element
// types.
void load_tensors(Context& ctx, const std::filesystem::path& place, const ModelSpec& spec,
                  const std::function<Tensor(int64_t parameter)>& target);

// The element type of the stored matrices, for those who keep it; f32 for quantised ones.
DType stored_dtype(const std::filesystem::path& place, const ModelSpec& spec);

// A decoder with its parameters in the compute type. Parameters that the file stores as we do (in
// that type, a whole parameter in our order) are views of the mapped file and not writable; the
// rest is in memory.
struct LoadedModel {
  std::shared_ptr<const Parameters> parameters;
  std::shared_ptr<const Decoder> decoder;
};
LoadedModel load_model(Context& ctx, const std::filesystem::path& place, DType compute);

}  // namespace cadre::model
