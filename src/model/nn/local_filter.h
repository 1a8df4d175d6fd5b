// Localized filtering of what queries and keys are made of (Yuan 2.0):
//
//   y = rms_norm(local_filter(x))          core/ops/local_filter.h
//
// Packed documents: each segment of attention starts with zeros, so that no document is filtered
// with the end of another. Yuan's own training code lets the filter read over the start of a
// document that attention may not look behind; ForwardInput::filter_segments can say so.
#pragma once

#include "core/ops/local_filter.h"
#include "model/nn/forward.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::nn {

// Immutable; holds handles to weights.
class LocalFilter {
 public:
  // The layer's attention must have a filter.
  LocalFilter(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters);

  // x is [N, D] in the compute type, as is the result.
  Tensor forward(Context& ctx, const Tensor& x, const ForwardInput& input) const;

 private:
  int64_t layer_;
  float eps_;
  ops::LocalFilterWeights weights_;
  Tensor norm_;
};

}  // namespace cadre::nn
