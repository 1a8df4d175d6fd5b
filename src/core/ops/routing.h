// From router logits to the experts of each token and their weights.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/ops/context.h"

namespace cadre::ops {

// Tokens that count: 1 for a real token, 0 for padding. Null means all are real. Padding is routed
// (its output is never used) but counts in no statistic and in no loss.
using TokenMask = std::shared_ptr<const std::vector<uint8_t>>;

// What the auxiliary losses of one layer add to the derivative of its logits. It is filled between
// forward and backward, for a loss over all layers is known only after the last of them:
//
//   dlogits[n, :] += softmax_backward(probability_gradient) + 2 * z_gradient * lse[n] * p[n, :]
//
// for real tokens, where dL/dp[n, e] = probability_gradient[e].
struct RouterGradient {
  std::vector<float> probability_gradient;  // [E]; empty means none
  float z_gradient = 0.0f;
};

// What a layer's router did with the real tokens of one micro-batch.
struct RouterStatistics {
  int64_t num_tokens = 0;
  std::vector<int64_t> counts;           // [E] assignments over all k choices
  std::vector<int64_t> first_counts;     // [E] assignments as first choice
  std::vector<double> probability_sums;  // [E] sum over tokens of p[n, e], blocks in fixed order
  double squared_lse_sum = 0.0;          // sum over tokens of lse[n]^2
  double entropy_sum = 0.0;              // sum over tokens of the entropy of p[n, :], in nats
};

struct RoutingOptions {
  int64_t top_k;
  bool renormalise = false;  // weights rescaled to sum to one over the chosen experts
};

struct Routing {
  Tensor probabilities;  // [N, E] f32, not differentiable from outside
  Tensor experts;        // [N, k] i32, largest probability first; ties go to the lower index
  Tensor weights;        // [N, k] f32, differentiable
  RouterStatistics statistics;
};

// p = softmax(logits) over all experts in f32, then the top_k largest of p with p as weights.
// logits is [N, E] f32. `gradient` may be null (no auxiliary loss); it is read in the backward
// pass, which runs only if the weights were used. Shazeer et al., arXiv:1701.06538; Muennighoff et
// al., arXiv:2409.02060.
Routing softmax_top_k(Context& ctx, const Tensor& logits, const RoutingOptions& options,
                      const TokenMask& mask, std::shared_ptr<const RouterGradient> gradient);

}  // namespace cadre::ops
