#include "model/nn/mlp.h"

#include <fmt/format.h>

#include "core/ops/linear.h"
#include "core/ops/swiglu.h"

namespace cadre::nn {

Mlp::Mlp(int64_t layer, const model::Parameters& parameters)
    : gate_up_(parameters.tensor(fmt::format("blocks.{}.mlp.gate_up", layer))),
      down_(parameters.tensor(fmt::format("blocks.{}.mlp.down", layer))) {}

Tensor Mlp::forward(Context& ctx, const Tensor& x) const {
  const Tensor inner = ops::swiglu(ctx, ops::linear(ctx, x, gate_up_, x.dtype()));
  return ops::linear(ctx, inner, down_, x.dtype());
}

}  // namespace cadre::nn
