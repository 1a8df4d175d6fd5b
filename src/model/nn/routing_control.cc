#include "model/nn/routing_control.h"

#include <algorithm>

#include "core/base/error.h"

namespace cadre::nn {

RoutingControl merged(const RoutingControl& own, const RoutingControl& rest) {
  return {.active_experts = own.active_experts > 0 ? own.active_experts : rest.active_experts,
          .threshold = own.threshold > 0.0 ? own.threshold : rest.threshold,
          .observer = own.observer != nullptr ? own.observer : rest.observer};
}

ops::RouterSpec controlled(const ops::RouterSpec& spec, const RoutingControl& control) {
  if (!(control.threshold >= 0.0 && control.threshold <= 1.0)) {
    fail(ErrorKind::invalid_input, "expert_threshold = {}, expected 0 to 1", control.threshold);
  }
  if (!control.changes()) return spec;
  const auto* choice = std::get_if<ops::TokenChoice>(&spec.choice);
  if (choice == nullptr) {
    fail(ErrorKind::invalid_input,
         "experts of this model choose their tokens: active_experts and expert_threshold are for "
         "tokens that choose their experts");
  }
  ops::RouterSpec result = spec;
  if (control.active_experts == 0) return result;
  const ops::ExpertGroups& groups = choice->groups;
  const int64_t most = spec.num_experts / groups.num_groups * groups.top_groups;
  if (control.active_experts < 1 || control.active_experts > most) {
    fail(ErrorKind::invalid_input, "active_experts = {}, expected 1 to {}", control.active_experts,
         most);
  }
  result.top_k = control.active_experts;
  return result;
}

void apply_threshold(const ops::RouterSpec& spec, double threshold, const ops::Routing& routing) {
  if (threshold <= 0.0) return;
  const bool shares =
      spec.renormalise || spec.renormalise_kept || spec.scoring == ops::Scoring::softmax_of_chosen;
  const int64_t k = routing.experts.dim(1);
  for (int64_t n = 0; n < routing.experts.dim(0); ++n) {
    int32_t* experts = routing.experts.data<int32_t>() + n * k;
    float* weights = routing.weights.data<float>() + n * k;
    const float least = static_cast<float>(threshold) * *std::max_element(weights, weights + k);
    float before = 0.0f, after = 0.0f;
    for (int64_t j = 0; j < k; ++j) {
      before += weights[j];
      if (weights[j] < least) {
        experts[j] = -1;
        weights[j] = 0.0f;
      }
      after += weights[j];
    }
    if (!shares || after == before) continue;
    for (int64_t j = 0; j < k; ++j) weights[j] *= before / after;
  }
}

}  // namespace cadre::nn
