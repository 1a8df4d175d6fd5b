#include "model/nn/linear.h"

#include "core/ops/rows.h"

namespace cadre::nn {

Linear::Linear(const std::string& name, const model::Parameters& parameters)
    : weight_(parameters.weight(name)) {
  if (parameters.contains(name + "_bias")) bias_ = parameters.tensor(name + "_bias");
}

Tensor Linear::forward(Context& ctx, const ops::LinearInput& x, DType dtype) const {
  if (!bias_.defined()) return ops::linear(ctx, x, weight_, dtype);
  return ops::add_bias(ctx, ops::linear(ctx, x, weight_, DType::f32), bias_, dtype);
}

Tensor Linear::forward(Context& ctx, const Tensor& x, DType dtype) const {
  return forward(ctx, ops::linear_input(ctx, x, weight_), dtype);
}

}  // namespace cadre::nn
