// Root-mean-square normalisation of rows; the formula stands in core/kernels/rms_norm.h.
#pragma once

#include "core/ops/context.h"

namespace cadre::ops {

// x is [..., D] in f32 or bf16, weight [D] in f32, the result `dtype`.
Tensor rms_norm(Context& ctx, const Tensor& x, const Tensor& weight, float eps, DType dtype);

}  // namespace cadre::ops
