// Noise on the router of Shazeer et al., "Outrageously Large Neural Networks", arXiv:1701.06538.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/ops/context.h"
#include "core/ops/routing.h"

namespace cadre::ops {

struct NoisyLogitsOptions {
  int64_t top_k;
  uint64_t seed;  // of this micro-batch
  int64_t layer;
};

// H[n, e] = clean[n, e] + noise(n, e) * softplus(raw[n, e]), noise(n, e) ~ N(0, 1) drawn for
// (seed, layer, n, e). All are [N, E] f32.
//
// `load` becomes the [E] sums over real tokens of the probability that the expert would be among
// the top_k if its own noise were drawn again, which is what the load loss is made of:
//
//   P(n, e) = Phi((clean[n, e] - t) / softplus(raw[n, e])),  t the k-th largest of H[n, :] without
//   e
//
// With top_k = E it is 1. Differentiable in clean and raw through H, and through P as far as
// `gradient` has a load_gradient when the backward pass runs; it may be null.
Tensor noisy_logits(Context& ctx, const Tensor& clean, const Tensor& raw,
                    const NoisyLogitsOptions& options, const TokenMask& mask,
                    std::shared_ptr<const RouterGradient> gradient, std::vector<double>& load);

}  // namespace cadre::ops
