#include "model/nn/moe_layer.h"

#include <fmt/format.h>

#include "core/ops/dispatch.h"
#include "core/ops/elementwise.h"
#include "core/ops/swiglu.h"

namespace cadre::nn {

MoeLayer::MoeLayer(const model::ModelSpec& model, int64_t layer,
                   const model::Parameters& parameters)
    : num_experts_(std::get<model::MoeSpec>(model.blocks[static_cast<size_t>(layer)].feed_forward)
                       .router.num_experts),
      router_(model, layer, parameters),
      gate_up_(parameters.weight(fmt::format("blocks.{}.experts.gate_up", layer))),
      down_(parameters.weight(fmt::format("blocks.{}.experts.down", layer))) {
  const auto& spec =
      std::get<model::MoeSpec>(model.blocks[static_cast<size_t>(layer)].feed_forward);
  if (spec.shared.intermediate_size > 0) shared_.emplace(spec.shared, layer, parameters);
}

Tensor MoeLayer::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                         RouterTrace* trace) const {
  const ops::Routing routing = router_.forward(ctx, x, input, trace);
  const ops::DispatchPlanPtr plan = ops::plan_dispatch(ctx, routing.experts, num_experts_);
  Tensor rows;
  {
    const ops::LinearInput permuted = ops::permute(ctx, ops::linear_input(ctx, x, gate_up_), plan);
    rows = ops::grouped_linear(ctx, permuted, gate_up_, plan->offsets);
  }
  rows = ops::swiglu(ctx, rows);
  if (!down_.packed.defined()) rows = ops::cast(ctx, rows, x.dtype());
  rows = ops::grouped_linear(ctx, ops::linear_input(ctx, rows, down_), down_, plan->offsets);
  Tensor y = ops::combine(ctx, rows, routing.weights, plan, x.dtype());
  if (shared_) y = ops::add(ctx, y, shared_->forward(ctx, x));
  return y;
}

}  // namespace cadre::nn
