// Hugging Face model directories: config.json, safetensors (sharded or not), generation_config.json
// and the files of the tokenizer. What transformers writes loads here and the other way round.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "core/ops/context.h"
#include "model/decoder.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::model {

// `path` is a directory with a config.json or that file itself. Throws Error(not_found,
// corrupt_data, unsupported or invalid_input), naming file and key.
ModelSpec read_spec(const std::filesystem::path& path);

// Fills one f32 or compute-type target for each parameter of the list (same shapes) from the
// directory's tensors, converting element types. Every tensor of the file must have its place and
// every parameter its tensors: missing, left-over, misshapen or wrongly typed ones are errors that
// name the file and the tensor. Either layout of experts is accepted.
void load_tensors(Context& ctx, const std::filesystem::path& folder, const ModelSpec& spec,
                  const std::function<Tensor(int64_t parameter)>& target);

// The element type of the directory's matrices, for those who keep it.
DType stored_dtype(const std::filesystem::path& folder, const ModelSpec& spec);

// A decoder with its parameters in memory, in the compute type.
struct LoadedModel {
  std::shared_ptr<const Parameters> parameters;
  std::shared_ptr<const Decoder> decoder;
};
LoadedModel load_model(Context& ctx, const std::filesystem::path& folder, DType compute);

struct SaveOptions {
  DType dtype = DType::f32;  // of all tensors: f32, bf16 or f16
  int64_t max_shard_bytes = int64_t{5} << 30;
};

// Writes config.json, generation_config.json and the weights into an existing folder, one expert a
// tensor, converting from the type of each source tensor. Byte for byte the same for the same
// values. Not atomic: the caller owns the folder until it is complete. Errors of files are those of
// core/base/file.h.
void save_model(Context& ctx, const std::filesystem::path& folder, const ModelSpec& spec,
                const SaveOptions& options, const std::function<Tensor(int64_t parameter)>& source);

// config.json and generation_config.json alone.
void write_config_files(const std::filesystem::path& folder, const ModelSpec& spec, DType dtype);

// Copies the files of a tokenizer and its chat template from one folder to another, under the names
// that transformers gives them, those that exist.
void copy_tokenizer_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace cadre::model
