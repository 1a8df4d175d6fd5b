#include "model/nn/feed_forward.h"

#include <fmt/format.h>

#include "core/ops/elementwise.h"

namespace cadre::nn {
namespace {

std::variant<MoeLayer, Mlp> make_part(const model::ModelSpec& model, int64_t layer,
                                      const model::Parameters& parameters) {
  const auto& spec = model.blocks[static_cast<size_t>(layer)].feed_forward;
  if (std::holds_alternative<model::MoeSpec>(spec)) return MoeLayer(model, layer, parameters);
  return Mlp(fmt::format("blocks.{}.mlp", layer), parameters);
}

}  // namespace

FeedForward::FeedForward(const model::ModelSpec& model, int64_t layer,
                         const model::Parameters& parameters)
    : part_(make_part(model, layer, parameters)) {}

Tensor FeedForward::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                            RouterTrace* trace) const {
  const auto* moe = std::get_if<MoeLayer>(&part_);
  return moe != nullptr ? moe->forward(ctx, x, input, trace) : std::get<Mlp>(part_).forward(ctx, x);
}

Tensor add_branch(Context& ctx, const Tensor& x, Tensor branch, const ForwardInput& input,
                  uint64_t stream) {
  if (input.dropout > 0.0f) {
    branch = ops::dropout(ctx, branch, input.dropout, input.dropout_seed, stream);
  }
  return ops::add(ctx, x, branch);
}

}  // namespace cadre::nn
