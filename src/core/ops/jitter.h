// Multiplicative noise on the input of a router.
#pragma once

#include <cstdint>

#include "core/ops/context.h"

namespace cadre::ops {

// y[n, i] = x[n, i] * u, u uniform in [1 - epsilon, 1 + epsilon] and drawn for (seed, layer, n, i).
// Fedus et al., "Switch Transformers", arXiv:2101.03961. x is [N, D] f32; 0 <= epsilon < 1.
Tensor jitter(Context& ctx, const Tensor& x, float epsilon, uint64_t seed, int64_t layer);

}  // namespace cadre::ops
