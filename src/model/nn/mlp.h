// The gated MLP that every token meets: y = down(silu(gate x) * up x). A dense layer is one, and so
// are a shared expert and the residual MLP of a hybrid block.
#pragma once

#include <string>

#include "core/ops/context.h"
#include "model/nn/linear.h"
#include "model/parameters.h"

namespace cadre::nn {

// Immutable; holds handles to weights.
class Mlp {
 public:
  // `name` is that of the parameters, "blocks.3.mlp".
  Mlp(const std::string& name, const model::Parameters& parameters);

  // x is [N, D] in the compute type, as is the result.
  Tensor forward(Context& ctx, const Tensor& x) const;

 private:
  Linear gate_up_;  // [2F, D], gate rows first
  Linear down_;     // [D, F]
};

}  // namespace cadre::nn
