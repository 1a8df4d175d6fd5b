// One pre-norm transformer block on the f32 residual stream:
//
//   x = x + attention(rms_norm(x));   x = x + feed_forward(rms_norm(x))
#pragma once

#include <memory>

#include "model/nn/attention.h"
#include "model/nn/feed_forward.h"

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
  int64_t layer_;
  DType compute_;
  float eps_;
  Tensor attention_norm_;
  Attention attention_;
  Tensor feed_forward_norm_;
  FeedForward feed_forward_;
};

}  // namespace cadre::nn
