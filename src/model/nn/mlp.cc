#include "model/nn/mlp.h"

#include "core/ops/swiglu.h"

namespace cadre::nn {

Mlp::Mlp(const std::string& name, const model::Parameters& parameters)
    : gate_up_(name + ".gate_up", parameters), down_(name + ".down", parameters) {}

Tensor Mlp::forward(Context& ctx, const Tensor& x) const {
  const Tensor inner = ops::swiglu(ctx, gate_up_.forward(ctx, x, x.dtype()));
  return down_.forward(ctx, inner, x.dtype());
}

}  // namespace cadre::nn
