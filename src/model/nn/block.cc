#include "model/nn/block.h"

#include <fmt/format.h>

#include "core/ops/rms_norm.h"

namespace cadre::nn {

Block::Block(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters,
             std::shared_ptr<const ops::RopeTable> rope)
    : layer_(layer),
      compute_(parameters.compute()),
      eps_(static_cast<float>(model.rms_norm_eps)),
      attention_norm_(parameters.tensor(fmt::format("blocks.{}.attention_norm", layer))),
      attention_(model, layer, parameters, std::move(rope)),
      feed_forward_norm_(parameters.tensor(fmt::format("blocks.{}.feed_forward_norm", layer))),
      feed_forward_(model, layer, parameters) {}

Tensor Block::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                      RouterTrace* trace) const {
  const auto stream = static_cast<uint64_t>(2 * layer_);
  Tensor h = ops::rms_norm(ctx, x, attention_norm_, eps_, compute_);
  const Tensor middle = add_branch(ctx, x, attention_.forward(ctx, h, input), input, stream);
  h = ops::rms_norm(ctx, middle, feed_forward_norm_, eps_, compute_);
  return add_branch(ctx, middle, feed_forward_.forward(ctx, h, input, trace), input, stream + 1);
}

}  // namespace cadre::nn
