#include "model/nn/hybrid_block.h"

#include <fmt/format.h>

namespace cadre::nn {
namespace {

// Streams of dropout above those of nn::Block, which has two branches a layer.
constexpr uint64_t kResidualStreams = uint64_t{1} << 32;

}  // namespace

HybridBlock::HybridBlock(const model::ModelSpec& model, int64_t layer,
                         const model::Parameters& parameters,
                         std::shared_ptr<const ops::RopeTable> rope)
    : layer_(layer),
      attention_norm_(fmt::format("blocks.{}.attention_norm", layer), model, parameters),
      attention_(model, layer, parameters, std::move(rope)),
      residual_norm_(fmt::format("blocks.{}.residual_norm", layer), model, parameters),
      residual_mlp_(fmt::format("blocks.{}.residual_mlp", layer), parameters),
      feed_forward_norm_(fmt::format("blocks.{}.feed_forward_norm", layer), model, parameters),
      feed_forward_(model, layer, parameters) {}

Tensor HybridBlock::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                            RouterTrace* trace) const {
  const auto stream = static_cast<uint64_t>(2 * layer_);
  const Tensor attended = add_branch(
      ctx, x, attention_.forward(ctx, attention_norm_.forward(ctx, x), input), input, stream);
  const Tensor dense =
      add_branch(ctx, attended, residual_mlp_.forward(ctx, residual_norm_.forward(ctx, attended)),
                 input, kResidualStreams + stream);
  return add_branch(ctx, dense,
                    feed_forward_.forward(ctx, feed_forward_norm_.forward(ctx, x), input, trace),
                    input, stream + 1);
}

}  // namespace cadre::nn
