// The forward pass of attention, over rows or over pages of keys.
#pragma once

#include <vector>

#include "core/ops/attention_rows.h"

namespace cadre::ops {

// Writes out, [N, H * Dh], zeros in rows of no segment, and unless it is null lse, [N, H]: the
// logarithm of each sum of exponentials.
void attention_forward(Context& ctx, const AttentionOperands& of,
                       const std::vector<AttentionSegment>& segments, const Tensor& out,
                       float* lse);

}  // namespace cadre::ops
