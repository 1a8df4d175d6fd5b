// Importance as a file that llama.cpp's tools read and write too (their "imatrix" in GGUF): for a
// tensor NAME of the model's GGUF file
//
//   NAME.in_sum2  f32 [E, K]   sums of squares of the inputs
//   NAME.counts   f32 [E, 1]   tokens
//
// and the keys general.type = "imatrix", imatrix.datasets, imatrix.chunk_count, imatrix.chunk_size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "model/spec.h"
#include "quant/importance.h"

namespace cadre::quant {

struct ImportanceSource {
  std::string dataset;     // the name of the text
  int64_t chunks = 0;      // windows read
  int64_t chunk_size = 0;  // tokens of each
};

// Writes the file, whole or not at all. Throws the errors of io::GgufWriter, and Error(unsupported)
// for a model that GGUF has no names for.
void save_importance(const std::filesystem::path& file, const Importance& importance,
                     const model::ModelSpec& spec, const ImportanceSource& source);

// Tensors that the file lacks are not known; gate and up projections meet the same inputs, so one
// of them is enough. Throws Error(not_found), Error(corrupt_data), naming file and tensor, for what
// is no such file, shapes of another model, names that have no place in it, and sums or counts that
// are negative or not finite.
Importance load_importance(const std::filesystem::path& file, const model::ModelSpec& spec);

}  // namespace cadre::quant
