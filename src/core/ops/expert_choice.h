// Experts choose tokens. Zhou et al., "Mixture-of-Experts with Expert Choice Routing",
// arXiv:2202.09368.
#pragma once

#include <span>

#include "core/base/range.h"
#include "core/ops/context.h"
#include "core/ops/router_statistics.h"

namespace cadre::ops {

// In each group of tokens each expert takes the floor(top_k * n / E) real tokens with its largest
// scores, n being the real tokens of the group; ties go to the earlier token. scores is [N, E] f32.
// The result is [N, K] i32: the experts of each token in ascending order, then -1; K is the largest
// number of experts that a token has, at least 1. Tokens outside all groups have none.
Tensor choose_tokens(Context& ctx, const Tensor& scores, int64_t top_k,
                     std::span<const Range> groups, const TokenMask& mask);

}  // namespace cadre::ops
