// Activations traded for time: a part of the network keeps only its input and is run again on the
// way back. Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174.
#pragma once

#include <functional>

#include "core/ops/context.h"

namespace cadre::ops {

// y = body(x), recorded as one op. body is called once now without a tape and once more in the
// backward pass with an inner tape; it must compute the same both times and may use parameters that
// the outer tape watches, whose gradients go to the same buffers.
Tensor recompute(Context& ctx, const Tensor& x,
                 std::function<Tensor(Context&, const Tensor&)> body);

}  // namespace cadre::ops
