// The gated activation of an expert on its way into its second product.
#pragma once

#include "core/ops/weight.h"

namespace cadre::ops {

// linear_input() of swiglu(gate_up), in `compute` where the weight is dense. For a packed weight
// each row is activated and rounded to 8 bits while it is in the cache, so what lies between the
// two products is never written; the bits are those of both steps. gate_up is [N, 2F], F the
// weight's K.
LinearInput swiglu_input(Context& ctx, const Tensor& gate_up, const Weight& weight, DType compute);

}  // namespace cadre::ops
