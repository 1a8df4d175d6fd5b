// A small mixture whose matrices have rows of whole blocks, and what belongs to it.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "model/hf.h"
#include "model/stored_model.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre {

inline model::ModelSpec quant_spec() {
  model::ModelSpec spec = tiny_spec(/*num_experts=*/4, /*top_k=*/2);
  spec.hidden_size = 256;
  spec.max_positions = 64;
  spec.initializer_range = 0.05;
  for (model::BlockSpec& block : spec.blocks) {
    block.attention.num_heads = 8;
    block.attention.num_kv_heads = 8;
    block.attention.head_dim = 32;
    std::get<model::MoeSpec>(block.feed_forward).expert.intermediate_size = 96;
  }
  return spec;
}

inline std::vector<int32_t> quant_tokens(int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>((3 * i * i + i) % 61));
  return tokens;
}

// A model folder with random weights.
inline void save_quant_model(Context& ctx, const std::filesystem::path& folder) {
  const auto parameters = random_parameters(ctx, quant_spec(), DType::f32, 3);
  std::filesystem::create_directories(folder);
  model::save_model(ctx, folder, quant_spec(), {},
                    [&](int64_t p) { return parameters->tensor(p); });
}

}  // namespace cadre
