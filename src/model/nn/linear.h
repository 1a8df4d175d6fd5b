// A product with a learned matrix, and a bias if the model has one: y = x W^T + b.
#pragma once

#include <string>

#include "core/ops/context.h"
#include "core/ops/weight.h"
#include "model/parameters.h"

namespace cadre::nn {

// Immutable; holds handles to weights.
class Linear {
 public:
  // The weight is the parameter `name`, the bias `name`_bias if there is one.
  Linear(const std::string& name, const model::Parameters& parameters);

  // x is [N, K] in the compute type or f32, prepared for this weight (among others), the result
  // [N, M] in `dtype`. A bias is added to the f32 sum, so that the result is rounded once.
  Tensor forward(Context& ctx, const ops::LinearInput& x, DType dtype) const;
  Tensor forward(Context& ctx, const Tensor& x, DType dtype) const;

  const ops::Weight& weight() const { return weight_; }

 private:
  ops::Weight weight_;  // [M, K]
  Tensor bias_;         // [M] f32; undefined without
};

}  // namespace cadre::nn
