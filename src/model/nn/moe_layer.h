// The mixture layer: a router sends each token to some of E experts and their outputs come back as
// a weighted sum.
//
//   y = sum over the experts e of x of  w_e * down_e(silu(gate_e x) * up_e x)
//
// and the shared expert's output, if there is one.
//
// Tokens are permuted into ragged groups, one for each expert, and computed as grouped products
// without padding, whether a router drops assignments or not; a token without experts gets no more
// than the shared one. Where the experts are in a store that holds some of them at a time, rows lie
// in the order in which it serves them and are computed as it does; their bits are the same.
// Shazeer et al., arXiv:1701.06538; Gale et al., arXiv:2211.15841.
#pragma once

#include <memory>
#include <optional>

#include "core/ops/dispatch.h"
#include "core/ops/expert_store.h"
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
  // The outputs of experts, [M, D], for rows in their order.
  static Tensor run_experts(Context& ctx, ops::LinearInput rows, const ops::Weight& gate_up,
                            const ops::Weight& down, ops::GroupOffsets offsets, DType type);
  Tensor run_stored(Context& ctx, const Tensor& x, const ForwardInput& input,
                    const ops::Routing& routing) const;
  // Tells the store what the next layer's router makes of this layer's input.
  void guess_next(Context& ctx, const Tensor& x, const ForwardInput& input) const;

  int64_t layer_;
  int64_t num_experts_;
  Router router_;
  ops::Weight gate_up_;  // [E, 2F, D]
  ops::Weight down_;     // [E, D, F]
  std::optional<SharedExpert> shared_;
  std::shared_ptr<ops::ExpertStore> store_;  // null if all experts are in the weights above
  std::optional<Router> next_router_;        // of the next layer, with a store
  int64_t next_experts_ = 0;                 // of that router
};

}  // namespace cadre::nn
