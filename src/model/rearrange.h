// Moving the elements of a file's tensor into our order, and back.
#pragma once

#include <cstddef>

#include "core/base/range.h"
#include "core/ops/context.h"
#include "model/families/family.h"

namespace cadre::model {

// Where the file has run number `ours` of the swapped order, in runs of swap.width elements.
int64_t stored_run(const AxisSwap& swap, int64_t ours);

// to[i - range.begin] = from[the element that lands at i], for i in range of the swapped order.
// Elements have 1, 2, 4 or 8 bytes and are moved as they are.
void rearrange(Context& ctx, const std::byte* from, const AxisSwap& swap, Range range,
               int64_t element_bytes, std::byte* to);

}  // namespace cadre::model
