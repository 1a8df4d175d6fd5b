// The mixture layer: a router sends each token to top_k of E experts and their outputs come back as
// a weighted sum.
//
//   p = softmax(router(x));  y = sum over the top_k e of  p_e * down_e(silu(gate_e x) * up_e x)
//
// and the shared expert's output, if there is one.
//
// Dropless: tokens are permuted into ragged groups, one for each expert, and computed as grouped
// products without padding. Shazeer et al., arXiv:1701.06538; Gale et al., arXiv:2211.15841.
#pragma once

#include <optional>

#include "model/nn/forward.h"
#include "model/nn/shared_expert.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::nn {

// Immutable; holds handles to weights.
class MoeLayer {
 public:
  MoeLayer(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters);

  // x is [N, D] in the compute type, as is the result. The router runs in f32. `trace` may be null;
  // if its gradient is set already (a recomputed block), that one is used again.
  Tensor forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                 RouterTrace* trace) const;

 private:
  model::MoeSpec spec_;
  Tensor router_;   // [E, D] f32; [3E, D] of an attention router
  Tensor gate_up_;  // [E, 2F, D]
  Tensor down_;     // [E, D, F]
  std::optional<SharedExpert> shared_;
};

}  // namespace cadre::nn
