// What routers did, summed over tokens: the raw material of auxiliary losses and of reports.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/ops/context.h"

namespace cadre::ops {

// Tokens that count: 1 for a real token, 0 for padding. Null means all are real. Padding counts in
// no statistic, in no loss and in no capacity; its output is never used.
using TokenMask = std::shared_ptr<const std::vector<uint8_t>>;

inline bool is_real(const TokenMask& mask, int64_t n) {
  return mask == nullptr || (*mask)[static_cast<size_t>(n)] != 0;
}

// What a layer's router did with the real tokens of one micro-batch. Probabilities p are scores
// divided by their sum over all experts: the softmax itself, or normalised sigmoids.
struct RouterStatistics {
  int64_t num_tokens = 0;
  std::vector<int64_t> counts;           // [E] assignments over all k choices, before drops
  std::vector<int64_t> first_counts;     // [E] assignments as first choice; 0 if experts choose
  std::vector<double> probability_sums;  // [E] sum over tokens of p[n, e], blocks in fixed order
  double squared_lse_sum = 0.0;          // sum over tokens of lse[n]^2
  double entropy_sum = 0.0;              // sum over tokens of the entropy of p[n, :], in nats
  int64_t dropped = 0;                   // of the assignments, those beyond capacity
  int64_t unrouted = 0;                  // tokens without any expert
  // Of noisy top-k routers (Shazeer et al., arXiv:1701.06538), otherwise empty:
  std::vector<double> importance;  // [E] sum over tokens of their weights
  std::vector<double> load;        // [E] sum over tokens of the probability of being chosen
};

// One pass of a router over N tokens, as the statistics need it.
struct RoutedTokens {
  const float* logits;         // [N, E]
  const float* probabilities;  // [N, E]
  const float* lse;            // [N] log-sum-exp of the logits
  const int32_t* wanted;       // [N, k] before drops; -1 where nothing was wanted
  const int32_t* experts;      // [N, k] after drops; -1 where nothing is left
  int64_t num_tokens;
  int64_t num_experts;
  int64_t top_k;
  bool softmax;             // probabilities are the softmax of the logits
  bool first_is_best;       // the first of k is the best: false where experts choose
  const float* importance;  // [N, k] weights to be summed; null for none
};

// Sums blocks of fixed size in order, so the number of threads changes no bit.
RouterStatistics collect_statistics(Context& ctx, const RoutedTokens& routed,
                                    const TokenMask& mask);

}  // namespace cadre::ops
