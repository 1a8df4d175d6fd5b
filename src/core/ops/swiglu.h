// The gated activation of experts and MLPs; the formula stands in core/kernels/swiglu.h.
#pragma once

#include "core/ops/context.h"

namespace cadre::ops {

// x is [N, 2F] with gate and up side by side, f32 or bf16; the result is [N, F].
Tensor swiglu(Context& ctx, const Tensor& x);

}  // namespace cadre::ops
