#include "core/ops/capacity.h"

#include <algorithm>
#include <cmath>

namespace cadre::ops {

int64_t expert_capacity(const RouterSpec& spec, double factor, int64_t tokens) {
  const double share = factor * static_cast<double>(spec.top_k) * static_cast<double>(tokens) /
                       static_cast<double>(spec.num_experts);
  // More room than there are tokens is never used, and the bound keeps the conversion exact.
  const double bounded = std::min(share, static_cast<double>(tokens));
  const double rounded = spec.capacity.rounds_up ? std::ceil(bounded) : std::floor(bounded);
  return std::max(spec.capacity.minimum, static_cast<int64_t>(rounded));
}

void fill_queues(const RouterSpec& spec, int64_t room, std::span<const int32_t> order,
                 std::span<const int32_t> wanted, std::span<int32_t> experts) {
  const auto top_k = static_cast<size_t>(spec.top_k);
  std::vector<int64_t> queue(static_cast<size_t>(spec.num_experts), 0);
  std::fill(experts.begin(), experts.end(), -1);
  const auto serve = [&](int32_t token, size_t j) {
    const size_t at = static_cast<size_t>(token) * top_k + j;
    const int32_t e = wanted[at];
    if (e < 0 && !spec.capacity.rejected_take_place) return;
    int64_t& length = queue[static_cast<size_t>(e < 0 ? rejected(e) : e)];
    if (length < room && e >= 0) experts[at] = e;
    ++length;
  };
  if (spec.capacity.by_token) {
    for (const int32_t token : order) {
      for (size_t j = 0; j < top_k; ++j) serve(token, j);
    }
    return;
  }
  for (size_t j = 0; j < top_k; ++j) {
    for (const int32_t token : order) serve(token, j);
  }
}

}  // namespace cadre::ops
