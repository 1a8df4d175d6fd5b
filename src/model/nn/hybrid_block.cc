#include "model/nn/hybrid_block.h"

#include <fmt/format.h>

#include "core/ops/rms_norm.h"

namespace cadre::nn {
namespace {

// Streams of dropout above those of nn::Block, which has two branches a layer.
constexpr uint64_t kResidualStreams = uint64_t{1} << 32;

}  // namespace

HybridBlock::HybridBlock(const model::ModelSpec& model, int64_t layer,
                         const model::Parameters& parameters,
                         std::shared_ptr<const ops::RopeTable> rope)
    : layer_(layer),
      compute_(parameters.compute()),
      eps_(static_cast<float>(model.rms_norm_eps)),
      attention_norm_(parameters.tensor(fmt::format("blocks.{}.attention_norm", layer))),
      attention_(model, layer, parameters, std::move(rope)),
      residual_norm_(parameters.tensor(fmt::format("blocks.{}.residual_norm", layer))),
      residual_mlp_(fmt::format("blocks.{}.residual_mlp", layer), parameters),
      feed_forward_norm_(parameters.tensor(fmt::format("blocks.{}.feed_forward_norm", layer))),
      feed_forward_(model, layer, parameters) {}

Tensor HybridBlock::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                            RouterTrace* trace) const {
  const auto stream = static_cast<uint64_t>(2 * layer_);
  const auto norm = [&](const Tensor& value, const Tensor& weight) {
    return ops::rms_norm(ctx, value, weight, eps_, compute_);
  };
  const Tensor attended =
      add_branch(ctx, x, attention_.forward(ctx, norm(x, attention_norm_), input), input, stream);
  const Tensor dense =
      add_branch(ctx, attended, residual_mlp_.forward(ctx, norm(attended, residual_norm_)), input,
                 kResidualStreams + stream);
  return add_branch(ctx, dense,
                    feed_forward_.forward(ctx, norm(x, feed_forward_norm_), input, trace), input,
                    stream + 1);
}

}  // namespace cadre::nn
