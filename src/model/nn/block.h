// One transformer block on the f32 residual stream:
//
//   x = x + attention(norm(x));   x = x + feed_forward(norm(x))
//
// or, with NormPlacement::after, x = x + norm(attention(x)); x = x + norm(feed_forward(x)).
#pragma once

#include <memory>

#include "model/nn/attention.h"
#include "model/nn/feed_forward.h"
#include "model/nn/norm.h"

namespace cadre::nn {

// Immutable; holds handles to weights.
class Block {
 public:
  Block(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters,
        std::shared_ptr<const ops::RopeTable> rope);

  // x is [N, D] f32, as is the result. `trace` may be null and is not touched by a dense block.
  Tensor forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                 RouterTrace* trace) const;

 private:
  // What a branch reads of the residual stream, and what becomes of its result.
  Tensor before(Context& ctx, const Norm& norm, const Tensor& x) const;
  Tensor after(Context& ctx, const Norm& norm, const Tensor& branch) const;

  int64_t layer_;
  model::NormPlacement placement_;
  DType compute_;
  Norm attention_norm_;
  Attention attention_;
  Norm feed_forward_norm_;
  FeedForward feed_forward_;
};

}  // namespace cadre::nn
