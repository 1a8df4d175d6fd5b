// The block of a dense-MoE hybrid transformer (Snowflake Arctic): a dense pre-norm block and beside
// it a mixture that reads the input of the block, not what attention made of it:
//
//   a = x + attention(norm(x))
//   y = a + residual_mlp(norm(a)) + feed_forward(norm(x))
//
// so that dispatch and combine among processes may overlap with attention and the dense MLP.
#pragma once

#include <memory>

#include "model/nn/attention.h"
#include "model/nn/feed_forward.h"
#include "model/nn/norm.h"

namespace cadre::nn {

// Immutable; holds handles to weights.
class HybridBlock {
 public:
  // The layer must have a residual MLP.
  HybridBlock(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters,
              std::shared_ptr<const ops::RopeTable> rope);

  // x is [N, D] f32, as is the result. `trace` may be null.
  Tensor forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                 RouterTrace* trace) const;

 private:
  int64_t layer_;
  Norm attention_norm_;
  Attention attention_;
  Norm residual_norm_;
  Mlp residual_mlp_;
  Norm feed_forward_norm_;
  FeedForward feed_forward_;
};

}  // namespace cadre::nn
