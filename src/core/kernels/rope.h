// Rotary position embedding, half-split layout: the pair (x[i], x[i + R/2]) of each head turns by
// the angle position * theta^(-2i/R):
//
//   y[i]       = x[i] * cos - x[i + R/2] * sin
//   y[i + R/2] = x[i + R/2] * cos + x[i] * sin          0 <= i < R/2
//
// Su et al., "RoFormer", arXiv:2104.09864. cos and sin come from f32 tables; the inverse rotation
// (inverse = true) is the derivative. In place is allowed. Elements past R of a head are copied.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

struct RopeArgs {
  const void* x;             // [N, H, Dh]
  void* y;                   // [N, H, Dh]
  DType type;                // f32 or bf16
  const int32_t* positions;  // [N]
  const float* cosine;       // [max_positions, R/2]
  const float* sine;         // [max_positions, R/2]
  int64_t num_heads;         // H
  int64_t head_dim;          // Dh
  int64_t rotary_dim;        // R <= Dh, even
  bool inverse;
};
using RopeFn = void(const RopeArgs& args, Range rows) noexcept;

}  // namespace cadre::kernels
