#include "model/nn/mlp.h"

#include "core/ops/linear.h"
#include "core/ops/swiglu.h"

namespace cadre::nn {

Mlp::Mlp(const std::string& name, const model::Parameters& parameters)
    : gate_up_(parameters.tensor(name + ".gate_up")), down_(parameters.tensor(name + ".down")) {}

Tensor Mlp::forward(Context& ctx, const Tensor& x) const {
  const Tensor inner = ops::swiglu(ctx, ops::linear(ctx, x, gate_up_, x.dtype()));
  return ops::linear(ctx, inner, down_, x.dtype());
}

}  // namespace cadre::nn
