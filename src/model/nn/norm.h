// Normalisation of rows before or after a part of a block: root mean square with a learned weight,
// or LayerNorm without one.
#pragma once

#include <string>

#include "core/ops/context.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::nn {

// Immutable; holds a handle to its weight.
class Norm {
 public:
  // The weight is the parameter `name`, if the spec's norms have one.
  Norm(const std::string& name, const model::ModelSpec& model, const model::Parameters& parameters);

  // x is [N, D] in f32 or the compute type, the result in the compute type.
  Tensor forward(Context& ctx, const Tensor& x) const;

 private:
  DType compute_;
  float eps_;
  Tensor weight_;  // [D] f32; undefined for NormKind::layer
};

}  // namespace cadre::nn
