// Writing what `cadre quantise` has decided on, with a bar.
#pragma once

#include <filesystem>
#include <vector>

#include "model/weights.h"
#include "quant/importance.h"
#include "quant/tensors.h"
#include "quant/write_hf.h"

namespace cadre::cli {

struct QuantiseSource {
  std::filesystem::path place;
  const model::ModelSpec& spec;
  const model::Weights& weights;
  const quant::Importance& importance;
};

// The most that a GGUF file of these tensors takes beside them.
int64_t gguf_overhead(const std::filesystem::path& place, const model::ModelSpec& spec,
                      const std::vector<quant::OutputTensor>& tensors);

// The model, its tokenizer and its name as a GGUF file.
void write_quantised_gguf(Context& ctx, const std::filesystem::path& output,
                          const QuantiseSource& source,
                          const std::vector<quant::OutputTensor>& tensors,
                          const io::StoredType& format);

// The model, its configuration and its tokenizer's files as a Hugging Face directory.
void write_quantised_hf(Context& ctx, const std::filesystem::path& output,
                        const QuantiseSource& source,
                        const std::vector<quant::OutputTensor>& tensors,
                        const quant::HfQuantiseOptions& options);

}  // namespace cadre::cli
