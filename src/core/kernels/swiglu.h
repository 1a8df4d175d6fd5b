// The gated activation between the two products of an expert or MLP:
//
//   y[n, i] = silu(gate[n, i]) * up[n, i],   silu(z) = z / (1 + exp(-z))
//
// gate and up stand side by side in one row, as the fused projection writes them: x[n, :] =
// [gate (F) ; up (F)]. Shazeer, "GLU Variants Improve Transformer", arXiv:2002.05202.
// f32 or bf16 throughout; arithmetic in f32, rounded once. exp is within 0.9 ulp in the
// fast tables.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

struct SwigluArgs {
  const void* x;   // [N, 2F]
  void* y;         // [N, F]; forward only
  const void* dy;  // [N, F]; backward only
  void* dx;        // [N, 2F]; backward only, overwritten; may be the memory of x
  DType type;
  int64_t width;  // F
};
using SwigluFn = void(const SwigluArgs& args, Range rows) noexcept;
using SwigluBackwardFn = void(const SwigluArgs& args, Range rows) noexcept;

}  // namespace cadre::kernels
