// Opening a model wherever it comes from: one way for every format that format.h lists.
//
// A place is what a user names: a Hugging Face directory or its config.json, another publisher's
// directory, a single file. docs/formats.md has the table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "core/ops/context.h"
#include "model/decoder.h"
#include "model/parameters.h"
#include "model/spec.h"
#include "model/weights.h"

namespace cadre::model {

class ExpertCache;

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
// The compute type that loses nothing worth keeping: f32 for files in f32, bf16 for all others,
// quantised ones among them.
DType natural_compute(const std::filesystem::path& place, const ModelSpec& spec);

// How the matrices of a model are held (can_be_packed in parameters.h).
enum class WeightFormat {
  dense,   // in the compute type
  stored,  // blocks of the file that kernels compute with stay blocks, all else is dense
  packed,  // in LoadOptions::packed, whatever the file holds; a matrix whose rows are not whole
           // blocks as dense, and the embedding as stored unless it is the head too
};

struct LoadOptions {
  DType compute = DType::bf16;
  WeightFormat format = WeightFormat::stored;
  PackedFormat packed = PackedFormat::q8_0;
  // The most that weights may take, pages on their way into memory with them; 0 is no limit. Of a
  // model that needs more, experts are read when tokens meet them (expert_cache.h). Keys, values
  // and activations are not counted, nor values on their way to being rounded, at most 32 MiB of
  // them.
  int64_t memory_bytes = 0;
  // Experts that were read leave the system's cache of files too, as they would if the machine had
  // no more memory than that: to measure what the disk gives.
  bool drop_cache = false;
  nn::RoutingControl routing = {};  // of the decoder
  // Matrices whose rows lie in several tensors of a file stay there (ops::RowParts) where the type
  // is the same, so that a model opens at once whatever its size. Such a model cannot be trained.
  bool map_parts = true;
};

// Whether a parameter is rounded to options.packed.
bool is_packed(const ModelSpec& spec, const ParameterSpec& parameter, const LoadOptions& options);

// "dense", "stored" or the name of a packed format that values can be rounded to. Throws
// Error(invalid_input) listing them.
void set_weight_format(std::string_view name, LoadOptions& options);

// A decoder with its parameters in the compute type, or packed. Parameters that the file stores as
// we do (in that type, in our order) are views of the mapped file and not writable; the rest is in
// memory.
struct LoadedModel {
  std::shared_ptr<const Parameters> parameters;
  std::shared_ptr<const Decoder> decoder;
  std::shared_ptr<ExpertCache> experts = nullptr;  // null if all of them are in memory
};
// Throws Error(invalid_input) for a limit of memory that the dense part and one expert of each
// layer exceed, naming what they need, and with a limit for experts that would have to be rounded
// by search, again and again.
LoadedModel load_model(Context& ctx, const std::filesystem::path& place,
                       const LoadOptions& options);
// All dense, each parameter in one piece.
LoadedModel load_model(Context& ctx, const std::filesystem::path& place, DType compute);

// A model of random weights that no file holds, to measure the speed and memory of any size: normal
// values in dense matrices, or packed blocks of random quants of the same deviation. Each matrix
// repeats a run of 2^20 values, for drawing billions takes minutes.
LoadedModel random_model(Context& ctx, const ModelSpec& spec, const LoadOptions& options,
                         uint64_t seed);

}  // namespace cadre::model
