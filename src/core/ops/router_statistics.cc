#include "core/ops/router_statistics.h"

#include <cmath>

namespace cadre::ops {
namespace {

// Tokens whose statistics one task sums; the blocks are then added in order.
constexpr int64_t kBlock = 256;

RouterStatistics no_statistics(const RoutedTokens& routed) {
  const auto num_experts = static_cast<size_t>(routed.num_experts);
  RouterStatistics s;
  s.counts.assign(num_experts, 0);
  s.first_counts.assign(num_experts, 0);
  s.probability_sums.assign(num_experts, 0.0);
  if (routed.importance != nullptr) s.importance.assign(num_experts, 0.0);
  return s;
}

// Entropy of p: for the softmax -sum p log p = lse - sum p z.
double entropy(const RoutedTokens& routed, const float* z, const float* p, float lse) {
  double sum = 0;
  for (int64_t e = 0; e < routed.num_experts; ++e) {
    if (p[e] > 0) sum += double{p[e]} * (routed.softmax ? z[e] : -std::log(double{p[e]}));
  }
  return routed.softmax ? lse - sum : sum;
}

void add_token(const RoutedTokens& routed, int64_t n, RouterStatistics* s) {
  const int64_t num_experts = routed.num_experts;
  const float* p = routed.probabilities + n * num_experts;
  for (int64_t e = 0; e < num_experts; ++e) s->probability_sums[static_cast<size_t>(e)] += p[e];
  const float lse = routed.lse[n];
  ++s->num_tokens;
  s->squared_lse_sum += double{lse} * lse;
  s->entropy_sum += entropy(routed, routed.logits + n * num_experts, p, lse);
  const int32_t* wanted = routed.wanted + n * routed.top_k;
  const int32_t* experts = routed.experts + n * routed.top_k;
  if (routed.first_is_best) ++s->first_counts[static_cast<size_t>(wanted[0])];
  bool routed_at_all = false;
  for (int64_t j = 0; j < routed.top_k; ++j) {
    if (wanted[j] < 0) continue;
    const auto e = static_cast<size_t>(wanted[j]);
    ++s->counts[e];
    if (experts[j] < 0) {
      ++s->dropped;
      continue;
    }
    routed_at_all = true;
    if (routed.importance != nullptr) s->importance[e] += routed.importance[n * routed.top_k + j];
  }
  if (!routed_at_all) ++s->unrouted;
}

void add_block(const RouterStatistics& block, RouterStatistics* sum) {
  sum->num_tokens += block.num_tokens;
  sum->squared_lse_sum += block.squared_lse_sum;
  sum->entropy_sum += block.entropy_sum;
  sum->dropped += block.dropped;
  sum->unrouted += block.unrouted;
  for (size_t e = 0; e < block.counts.size(); ++e) {
    sum->counts[e] += block.counts[e];
    sum->first_counts[e] += block.first_counts[e];
    sum->probability_sums[e] += block.probability_sums[e];
  }
  for (size_t e = 0; e < block.importance.size(); ++e) sum->importance[e] += block.importance[e];
}

}  // namespace

RouterStatistics collect_statistics(Context& ctx, const RoutedTokens& routed,
                                    const TokenMask& mask) {
  std::vector<RouterStatistics> blocks(
      static_cast<size_t>((routed.num_tokens + kBlock - 1) / kBlock));
  ctx.for_blocks(routed.num_tokens, kBlock, [&](Range tokens) {
    RouterStatistics& block = blocks[static_cast<size_t>(tokens.begin / kBlock)];
    block = no_statistics(routed);
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      if (is_real(mask, n)) add_token(routed, n, &block);
    }
  });
  RouterStatistics sum = no_statistics(routed);
  for (const RouterStatistics& block : blocks) add_block(block, &sum);
  return sum;
}

}  // namespace cadre::ops
