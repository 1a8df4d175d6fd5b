#include "model/nn/mlp.h"

#include "core/ops/elementwise.h"
#include "core/ops/swiglu.h"

namespace cadre::nn {

Mlp::Mlp(const std::string& name, const model::Parameters& parameters)
    : gate_up_(name + ".gate_up", parameters), down_(name + ".down", parameters) {}

Tensor Mlp::forward(Context& ctx, const Tensor& x) const {
  const DType type = ops::inner_type(gate_up_.weight(), x.dtype());
  const Tensor inner = ops::swiglu(ctx, gate_up_.forward(ctx, x, type));
  const bool packed = down_.weight().packed.defined();
  return down_.forward(ctx, packed ? inner : ops::cast(ctx, inner, x.dtype()), x.dtype());
}

}  // namespace cadre::nn
