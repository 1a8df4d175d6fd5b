// Softmax over the last dimension; the formula stands in core/kernels/softmax.h.
#pragma once

#include "core/ops/context.h"

namespace cadre::ops {

// x is [..., E] f32 (cast() brings other types there), and so is the result. A row of -inf alone
// gives zeros. Each row is computed for itself, so its bits depend on neither threads nor company.
Tensor softmax(Context& ctx, const Tensor& x);

}  // namespace cadre::ops
