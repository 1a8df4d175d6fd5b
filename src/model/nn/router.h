// The router of a mixture layer: which experts each token meets, and with which weights.
#pragma once

#include "model/nn/forward.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::nn {

// Any router of core/ops/router_spec.h with its parameters. It runs in f32 whatever the type of x.
// A pass with a tape is training: only there is noise added and the training capacity counted.
// Immutable; holds handles to weights.
class Router {
 public:
  Router(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters);

  // x is [N, D]. `trace` may be null; if its gradient is set already (a recomputed block), that one
  // is used again. Throws Error(unsupported) if experts choose tokens and `input` has a store.
  ops::Routing forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                       RouterTrace* trace) const;

 private:
  Tensor logits(Context& ctx, const Tensor& x, const ForwardInput& input,
                const std::shared_ptr<const ops::RouterGradient>& gradient,
                std::vector<double>& load) const;

  model::RouterSpec spec_;
  int64_t layer_;
  Tensor weight_;  // [E, D] f32; [3E, D] of an attention router
  Tensor noise_;   // [E, D] f32; undefined without Gaussian noise
  Tensor bias_;    // [E] f32; undefined without a selection bias
};

}  // namespace cadre::nn
