// The mixture layer: a router sends each token to some of E experts and their outputs come back as
// a weighted sum.
//
//   y = sum over the experts e of x of  w_e * down_e(silu(gate_e x) * up_e x)
//
// and the shared expert's output, if there is one.
//
// Tokens are permuted into ragged groups, one for each expert, and computed as grouped products
// without padding, whether a router drops assignments or not; a token without experts gets no more
// than the shared one. Shazeer et al., arXiv:1701.06538; Gale et al., arXiv:2211.15841.
#pragma once

#include <optional>

#include "model/nn/forward.h"
#include "model/nn/router.h"
#include "model/nn/shared_expert.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::nn {

// Immutable; holds handles to weights.
class MoeLayer {
 public:
  MoeLayer(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters);

  // x is [N, D] in the compute type, as is the result. `trace` may be null.
  Tensor forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                 RouterTrace* trace) const;

 private:
  int64_t num_experts_;
  Router router_;
  ops::Weight gate_up_;  // [E, 2F, D]
  ops::Weight down_;     // [E, D, F]
  std::optional<SharedExpert> shared_;
};

}  // namespace cadre::nn
