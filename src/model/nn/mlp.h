// The dense gated MLP: y = down(silu(gate x) * up x).
#pragma once

#include <string>

#include "core/ops/context.h"
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
  Tensor gate_up_;  // [2F, D], gate rows first
  Tensor down_;     // [D, F]
};

}  // namespace cadre::nn
