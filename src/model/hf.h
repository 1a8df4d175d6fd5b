// Hugging Face model directories: config.json, safetensors (sharded or not), generation_config.json
// and the files of the tokenizer. What transformers writes loads here and the other way round;
// stored_model.h opens them like every other format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "core/ops/context.h"
#include "model/spec.h"
#include "model/stored_model.h"

namespace cadre::model {

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

// The text of generation_config.json, so that how a model was meant to write survives its training;
// empty if the folder has none. Throws Error(corrupt_data) if it is no JSON object.
std::string read_generation_config(const std::filesystem::path& folder);

// The folder whose files belong to the model at `source`. None for a GGUF file, which holds all
// that is its own: whatever lies beside it may be another model's.
std::optional<std::filesystem::path> companion_folder(const std::filesystem::path& source);

// Copies the files of a tokenizer and its chat template from one folder to another, under the names
// that transformers gives them, those that exist.
void copy_tokenizer_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace cadre::model
