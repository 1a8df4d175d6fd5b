// What a block has behind attention: a mixture or a dense MLP; and how a branch joins the stream.
#pragma once

#include <cstdint>
#include <variant>

#include "model/nn/mlp.h"
#include "model/nn/moe_layer.h"

namespace cadre::nn {

// Immutable; holds handles to weights.
class FeedForward {
 public:
  FeedForward(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters);

  // x is [N, D] in the compute type, as is the result. `trace` may be null and is not touched by a
  // dense MLP.
  Tensor forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                 RouterTrace* trace) const;

 private:
  std::variant<MoeLayer, Mlp> part_;
};

// x + dropout(branch); `stream` must differ for each branch of a model.
Tensor add_branch(Context& ctx, const Tensor& x, Tensor branch, const ForwardInput& input,
                  uint64_t stream);

}  // namespace cadre::nn
