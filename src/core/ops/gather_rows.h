// Rows of a matrix in another order.
#pragma once

#include <cstdint>
#include <span>

#include "core/ops/context.h"

namespace cadre::ops {

// y[m, :] = x[source[m], :], zeros where source[m] < 0; x is [N, D] and y [M, D] of the same dtype.
// Records nothing: derivatives belong to whoever knows how often a row was taken.
Tensor gather_rows(Context& ctx, const Tensor& x, std::span<const int32_t> source);

}  // namespace cadre::ops
