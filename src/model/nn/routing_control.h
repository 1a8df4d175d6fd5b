// Routing at run time: more or fewer experts than a model was trained with, and who wants to see
// which ones tokens meet.
#pragma once

#include <cstdint>

#include "core/ops/router_spec.h"
#include "core/ops/routing.h"

namespace cadre::nn {

struct ForwardInput;

class RoutingObserver {
 public:
  virtual ~RoutingObserver() = default;

  // A layer's experts and weights for the tokens of this pass, before any of them is computed.
  // Called by the thread that runs the pass.
  virtual void saw(int64_t layer, const ForwardInput& input, const ops::Routing& routing) = 0;
};

// For inference alone. The defaults leave everything as it was trained.
struct RoutingControl {
  int64_t active_experts = 0;  // k of every layer; 0 is that of the model
  // In [0, 1]: choices whose weight is below this share of the token's largest are dropped. What is
  // left of weights that the model divides by their sum is divided by what is left of it.
  double threshold = 0.0;
  RoutingObserver* observer = nullptr;  // the caller keeps it alive

  bool changes() const { return active_experts > 0 || threshold > 0.0; }
};

// `own`, and of what it leaves open that of `rest`.
RoutingControl merged(const RoutingControl& own, const RoutingControl& rest);

// The router that `control` makes of one. Throws Error(invalid_input), naming the field, for more
// experts than there are (or than its groups offer), a threshold outside [0, 1], and experts that
// choose their tokens.
ops::RouterSpec controlled(const ops::RouterSpec& spec, const RoutingControl& control);

// Drops choices below the threshold, in place: expert -1 and weight 0.
void apply_threshold(const ops::RouterSpec& spec, double threshold, const ops::Routing& routing);

}  // namespace cadre::nn
