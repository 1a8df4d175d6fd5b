// Small models of every architecture of GGUF, and their way through a file.
#pragma once

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "model/gguf/architecture.h"
#include "model/gguf/save.h"
#include "model/stored_model.h"
#include "tests/model/tiny_model.h"

namespace cadre {

// A model with random parameters whose rows are of whole blocks.
inline model::ModelSpec gguf_model(const std::string& architecture, bool sparse) {
  const model::gguf::Architecture& found = *model::gguf::find_architecture(architecture);
  model::gguf::BlockNumbers numbers = {.num_heads = 4,
                                       .num_kv_heads = 2,
                                       .head_dim = 16,
                                       .rope_theta = 20000.0,
                                       .qkv_bias = architecture == "qwen2moe",
                                       .width = 96};
  if (sparse) {
    numbers.num_experts = 6;
    numbers.top_k = 2;
    if (architecture == "qwen2moe") numbers.shared_width = 32;
  }
  model::ModelSpec spec;
  spec.architecture = sparse ? found.sparse : found.dense;
  spec.vocab_size = 61;
  spec.hidden_size = 64;
  spec.max_positions = 128;
  spec.initializer_range = 0.02;
  spec.rms_norm_eps = 1e-6;
  spec.tied_embeddings = architecture == "arctic";
  spec.eos_token_id = 3;
  spec.blocks.assign(2, model::gguf::block_of(found, numbers, spec.hidden_size));
  return spec;
}

inline std::filesystem::path write_gguf(Context& ctx, const std::filesystem::path& file,
                                        const model::ModelSpec& spec,
                                        const model::Parameters& parameters,
                                        const model::GgufOptions& options,
                                        const io::GgufMetadata& tokenizer = {}) {
  model::save_gguf(
      ctx, file, spec, options, tokenizer, [&](int64_t parameter, Range elements, DType type) {
        const Tensor& whole = parameters.tensor(parameter);
        const Tensor piece = ctx.empty({elements.size()}, type);
        const auto* from =
            static_cast<const std::byte*>(whole.raw()) + elements.begin * dtype_size(whole.dtype());
        ctx.kernels().cast({from, whole.dtype(), piece.raw(), type}, {0, elements.size()});
        return piece;
      });
  return file;
}

inline bool same_values(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

}  // namespace cadre
