// The forward pass of attention, over rows or over pages of keys.
#pragma once

#include <vector>

#include "core/ops/attention_rows.h"

namespace cadre::ops {

// Rows of a block: enough that packing the keys of a tile and bringing them from memory cost
// little, few enough that scores and their gradients stay in the second-level cache.
constexpr int64_t kBlockRows = 512;

// Writes out, [N, H * Dh], zeros in rows of no segment, and unless it is null lse, [N, H]: the
// logarithm of each sum of exponentials.
void attention_forward(Context& ctx, const AttentionOperands& of,
                       const std::vector<AttentionSegment>& segments, const Tensor& out,
                       float* lse);

}  // namespace cadre::ops
