#include "model/nn/moe_layer.h"

#include <fmt/format.h>

#include "core/ops/attention_router.h"
#include "core/ops/dispatch.h"
#include "core/ops/elementwise.h"
#include "core/ops/linear.h"
#include "core/ops/swiglu.h"

namespace cadre::nn {

MoeLayer::MoeLayer(const model::ModelSpec& model, int64_t layer,
                   const model::Parameters& parameters)
    : spec_(std::get<model::MoeSpec>(model.blocks[static_cast<size_t>(layer)].feed_forward)),
      router_(parameters.tensor(fmt::format("blocks.{}.router", layer))),
      gate_up_(parameters.tensor(fmt::format("blocks.{}.experts.gate_up", layer))),
      down_(parameters.tensor(fmt::format("blocks.{}.experts.down", layer))) {
  if (spec_.shared.intermediate_size > 0) shared_.emplace(spec_.shared, layer, parameters);
}

Tensor MoeLayer::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                         RouterTrace* trace) const {
  Tensor logits = ops::linear(ctx, ops::cast(ctx, x, DType::f32), router_, DType::f32);
  if (spec_.router.kind == model::RouterKind::attention)
    logits = ops::attention_router(ctx, logits);
  std::shared_ptr<ops::RouterGradient> gradient;
  if (trace != nullptr && ctx.recording()) {
    if (!trace->gradient) trace->gradient = std::make_shared<ops::RouterGradient>();
    gradient = trace->gradient;
  }
  const ops::RoutingOptions options = {.top_k = spec_.router.top_k,
                                       .renormalise = spec_.router.renormalise};
  ops::Routing routing = ops::softmax_top_k(ctx, logits, options, input.mask, gradient);
  const ops::DispatchPlanPtr plan =
      ops::plan_dispatch(ctx, routing.experts, spec_.router.num_experts);
  Tensor rows = ops::permute(ctx, x, plan);
  rows = ops::grouped_linear(ctx, rows, gate_up_, plan->offsets);
  rows = ops::swiglu(ctx, rows);
  rows = ops::grouped_linear(ctx, rows, down_, plan->offsets);
  Tensor y = ops::combine(ctx, rows, routing.weights, plan, x.dtype());
  if (shared_) y = ops::add(ctx, y, shared_->forward(ctx, x));
  if (trace != nullptr) {
    trace->logits = logits;
    trace->experts = routing.experts;
    trace->weights = routing.weights;
    trace->statistics = std::move(routing.statistics);
  }
  return y;
}

}  // namespace cadre::nn
