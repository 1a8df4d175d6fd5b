#include "model/nn/block.h"

#include <fmt/format.h>

#include "core/ops/elementwise.h"

namespace cadre::nn {

Block::Block(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters,
             std::shared_ptr<const ops::RopeTable> rope)
    : layer_(layer),
      placement_(model.blocks[static_cast<size_t>(layer)].norm),
      compute_(parameters.compute()),
      attention_norm_(fmt::format("blocks.{}.attention_norm", layer), model, parameters),
      attention_(model, layer, parameters, std::move(rope)),
      feed_forward_norm_(fmt::format("blocks.{}.feed_forward_norm", layer), model, parameters),
      feed_forward_(model, layer, parameters) {}

Tensor Block::before(Context& ctx, const Norm& norm, const Tensor& x) const {
  return placement_ == model::NormPlacement::before ? norm.forward(ctx, x)
                                                    : ops::cast(ctx, x, compute_);
}

Tensor Block::after(Context& ctx, const Norm& norm, const Tensor& branch) const {
  return placement_ == model::NormPlacement::after ? norm.forward(ctx, branch) : branch;
}

Tensor Block::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                      RouterTrace* trace) const {
  const auto stream = static_cast<uint64_t>(2 * layer_);
  Tensor branch = attention_.forward(ctx, before(ctx, attention_norm_, x), input);
  branch = after(ctx, attention_norm_, branch);
  const Tensor middle = add_branch(ctx, x, branch, input, stream);
  branch = feed_forward_.forward(ctx, before(ctx, feed_forward_norm_, middle), input, trace);
  branch = after(ctx, feed_forward_norm_, branch);
  return add_branch(ctx, middle, branch, input, stream + 1);
}

}  // namespace cadre::nn
