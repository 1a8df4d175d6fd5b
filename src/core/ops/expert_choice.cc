#include "core/ops/expert_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/ops/check.h"

namespace cadre::ops {
namespace {

struct Candidate {
  float score;
  int64_t token;
};

bool before(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.token < b.token;
}

// Marks in taken [N, E] the tokens that expert e takes of one group.
void take_best(const Tensor& scores, int64_t top_k, Range group, const TokenMask& mask, int64_t e,
               std::vector<uint8_t>& taken) {
  const int64_t num_experts = scores.dim(1);
  std::vector<Candidate> candidates;
  for (int64_t n = group.begin; n < group.end; ++n) {
    if (!is_real(mask, n)) continue;
    const float score = scores.data<float>()[n * num_experts + e];
    candidates.push_back({std::isnan(score) ? -std::numeric_limits<float>::infinity() : score, n});
  }
  const int64_t count = top_k * std::ssize(candidates) / num_experts;
  if (count == 0) return;
  std::nth_element(candidates.begin(), candidates.begin() + (count - 1), candidates.end(), before);
  for (int64_t i = 0; i < count; ++i) {
    taken[static_cast<size_t>(candidates[static_cast<size_t>(i)].token * num_experts + e)] = 1;
  }
}

}  // namespace

Tensor choose_tokens(Context& ctx, const Tensor& scores, int64_t top_k,
                     std::span<const Range> groups, const TokenMask& mask) {
  const int64_t num_tokens = scores.dim(0);
  const int64_t num_experts = scores.dim(1);
  std::vector<uint8_t> taken(static_cast<size_t>(scores.elements()), 0);
  ctx.for_blocks(std::ssize(groups) * num_experts, 1, [&](Range task) {
    take_best(scores, top_k, groups[static_cast<size_t>(task.begin / num_experts)], mask,
              task.begin % num_experts, taken);
  });
  int64_t most = 1;
  for (int64_t n = 0; n < num_tokens; ++n) {
    const auto row = taken.begin() + n * num_experts;
    most = std::max<int64_t>(most, std::count(row, row + num_experts, 1));
  }
  const Tensor experts = ctx.empty({num_tokens, most}, DType::i32);
  for (int64_t n = 0; n < num_tokens; ++n) {
    int32_t* to = experts.data<int32_t>() + n * most;
    std::fill_n(to, most, -1);
    for (int64_t e = 0; e < num_experts; ++e) {
      if (taken[static_cast<size_t>(n * num_experts + e)] != 0) *to++ = static_cast<int32_t>(e);
    }
  }
  return experts;
}

}  // namespace cadre::ops
