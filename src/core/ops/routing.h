// From router logits to the experts of each token and their weights.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/ops/context.h"
#include "core/ops/router_statistics.h"

namespace cadre::ops {

// What the auxiliary losses of one layer add to the derivative of its logits. It is filled between
// forward and backward, for a loss over all layers is known only after the last of them:
//
//   dlogits[n, :] += softmax_backward(probability_gradient) + 2 * z_gradient * lse[n] * p[n, :]
//
// for real tokens, where dL/dp[n, e] = probability_gradient[e]. The gradients of importance and
// load belong to noisy top-k routers (core/ops/noisy_logits.h); others do not read them.
struct RouterGradient {
  std::vector<float> probability_gradient;  // [E]; empty means none
  float z_gradient = 0.0f;
  std::vector<float> importance_gradient;  // [E] dL/dweight of that expert; empty means none
  std::vector<float> load_gradient;        // [E] dL/dP of that expert; empty means none
};

struct RoutingOptions {
  int64_t top_k;
  bool renormalise = false;  // weights rescaled to sum to one over the chosen experts
  bool statistics = true;    // of the result; empty otherwise
};

struct Routing {
  Tensor probabilities;  // [N, E] f32, not differentiable from outside
  // [N, k] i32: best first, ties go to the lower index; -1 for a choice that was dropped. Where
  // experts choose, k is the largest number of them that a token has, and they are in order.
  Tensor experts;
  Tensor weights;  // [N, k] f32, differentiable; 0 for a choice that was dropped
  RouterStatistics statistics;
};

// p = softmax(logits) over all experts in f32, then the top_k largest of p with p as weights.
// logits is [N, E] f32. `gradient` may be null (no auxiliary loss); it is read in the backward
// pass, which runs only if the weights were used. Shazeer et al., arXiv:1701.06538; Muennighoff et
// al., arXiv:2409.02060.
Routing softmax_top_k(Context& ctx, const Tensor& logits, const RoutingOptions& options,
                      const TokenMask& mask, std::shared_ptr<const RouterGradient> gradient);

}  // namespace cadre::ops
