#include "infer/logprobs.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "infer/sampler_cuts.h"

namespace cadre::infer {

TokenLogprobs logprobs_of(std::span<const float> logits, int32_t chosen, int64_t count) {
  CADRE_CHECK(chosen >= 0 && static_cast<size_t>(chosen) < logits.size());
  const double largest = *std::ranges::max_element(logits);
  double total = 0.0;
  for (const float logit : logits) total += std::exp(logit - largest);
  const double log_total = largest + std::log(total);
  TokenLogprobs result;
  result.chosen = {chosen, logits[static_cast<size_t>(chosen)] - log_total};
  if (count <= 0) return result;
  Candidates best;
  collect_candidates(logits, {}, count, best);
  std::ranges::sort(best, [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
  result.top.reserve(best.size());
  for (const Candidate& candidate : best) {
    result.top.push_back({candidate.id, candidate.score - log_total});
  }
  return result;
}

}  // namespace cadre::infer
