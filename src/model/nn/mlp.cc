#include "model/nn/mlp.h"

#include "core/ops/swiglu_input.h"

namespace cadre::nn {

Mlp::Mlp(const std::string& name, const model::Parameters& parameters)
    : gate_up_(name + ".gate_up", parameters), down_(name + ".down", parameters) {}

Tensor Mlp::forward(Context& ctx, const Tensor& x) const {
  const DType type = ops::inner_type(gate_up_.weight(), x.dtype());
  const Tensor inner = gate_up_.forward(ctx, x, type);
  return down_.forward(ctx, ops::swiglu_input(ctx, inner, down_.weight(), x.dtype()), x.dtype());
}

}  // namespace cadre::nn
