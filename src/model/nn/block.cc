#include "model/nn/block.h"

#include <fmt/format.h>

#include "core/ops/elementwise.h"
#include "core/ops/rms_norm.h"

namespace cadre::nn {
namespace {

std::variant<MoeLayer, Mlp> make_feed_forward(const model::ModelSpec& model, int64_t layer,
                                              const model::Parameters& parameters) {
  const auto& spec = model.blocks[static_cast<size_t>(layer)].feed_forward;
  if (std::holds_alternative<model::MoeSpec>(spec)) return MoeLayer(model, layer, parameters);
  return Mlp(layer, parameters);
}

}  // namespace

Block::Block(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters,
             std::shared_ptr<const ops::RopeTable> rope)
    : layer_(layer),
      compute_(parameters.compute()),
      eps_(static_cast<float>(model.rms_norm_eps)),
      attention_norm_(parameters.tensor(fmt::format("blocks.{}.attention_norm", layer))),
      attention_(model, layer, parameters, std::move(rope)),
      feed_forward_norm_(parameters.tensor(fmt::format("blocks.{}.feed_forward_norm", layer))),
      feed_forward_(make_feed_forward(model, layer, parameters)) {}

Tensor Block::add_branch(Context& ctx, const Tensor& x, Tensor branch, const ForwardInput& input,
                         uint64_t stream) const {
  if (input.dropout > 0.0f) {
    branch = ops::dropout(ctx, branch, input.dropout, input.dropout_seed, stream);
  }
  return ops::add(ctx, x, branch);
}

Tensor Block::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                      RouterTrace* trace) const {
  const auto stream = static_cast<uint64_t>(2 * layer_);
  Tensor h = ops::rms_norm(ctx, x, attention_norm_, eps_, compute_);
  const Tensor middle = add_branch(ctx, x, attention_.forward(ctx, h, input), input, stream);
  h = ops::rms_norm(ctx, middle, feed_forward_norm_, eps_, compute_);
  const auto* moe = std::get_if<MoeLayer>(&feed_forward_);
  const Tensor y = moe != nullptr ? moe->forward(ctx, h, input, trace)
                                  : std::get<Mlp>(feed_forward_).forward(ctx, h);
  return add_branch(ctx, middle, y, input, stream + 1);
}

}  // namespace cadre::nn
