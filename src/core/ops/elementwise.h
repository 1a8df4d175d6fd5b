// Sums, conversions and dropout of whole tensors, with their derivatives.
#pragma once

#include "core/ops/context.h"

namespace cadre::ops {

// a + b, of the same shape, in the dtype of a (the residual stream keeps its f32 when a bf16 branch
// joins it). dtypes f32 or bf16.
Tensor add(Context& ctx, const Tensor& a, const Tensor& b);

// x in another dtype; x itself if it has it already.
Tensor cast(Context& ctx, const Tensor& x, DType dtype);

// min(max(x, -limit), limit) with limit > 0, of an f32 or bf16 tensor. The derivative is 1 up to
// the limit and 0 beyond, as in PyTorch.
Tensor clamp(Context& ctx, const Tensor& x, float limit);

// Inverted dropout with probability p in [0, 1); x itself if p is 0 or there is no tape. The
// mask is a function of (seed, stream) and the position of the element alone, so a recomputed
// forward pass drops the same elements.
Tensor dropout(Context& ctx, const Tensor& x, float p, uint64_t seed, uint64_t stream);

}  // namespace cadre::ops
