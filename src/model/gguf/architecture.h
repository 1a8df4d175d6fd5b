// What distinguishes the architectures of GGUF; the rest are keys that all have in common.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/spec.h"

namespace cadre::model::gguf {

struct Architecture {
  std::string_view name;    // general.architecture
  std::string_view dense;   // in config.json, of models without experts; empty: there are none
  std::string_view sparse;  // of models with experts
  QkNorm qk_norm = QkNorm::none;
  NormPlacement norm = NormPlacement::before;
  bool renormalise = false;     // routing weights
  bool residual_mlp = false;    // of the hidden size
  bool sigmoid_shared = false;  // a shared expert behind a gate
};

// Null if there is none of that name.
const Architecture* find_architecture(std::string_view name);
// The architecture that holds models which config.json calls `hf`; null if there is none.
const Architecture* find_architecture_of(std::string_view hf);

// What the keys say of every block.
struct BlockNumbers {
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  double rope_theta = 10000.0;
  double rope_factor = 1.0;  // positions divided by it
  int64_t window = 0;
  bool qkv_bias = false;
  bool output_bias = false;
  int64_t num_experts = 0;  // 0: dense
  int64_t top_k = 0;
  int64_t width = 0;  // of the MLP, or of each expert
  int64_t shared_width = 0;
};

// A block of the architecture, and its numbers; block_of(numbers_of(block)) is the block exactly if
// the architecture can express it.
BlockSpec block_of(const Architecture& architecture, const BlockNumbers& numbers,
                   int64_t hidden_size);
BlockNumbers numbers_of(const BlockSpec& block);

}  // namespace cadre::model::gguf
