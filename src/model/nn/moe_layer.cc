#include "model/nn/moe_layer.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "core/ops/dispatch.h"
#include "core/ops/elementwise.h"
#include "core/ops/swiglu_input.h"
#include "core/tensor/pool_vector.h"

namespace cadre::nn {

namespace {

// How many rows each expert gets.
PoolVector<int64_t> rows_of_experts(Context& ctx, const Tensor& experts, int64_t num_experts) {
  PoolVector<int64_t> rows(static_cast<size_t>(num_experts), 0, ctx.allocator());
  for (const int32_t expert : experts.span<int32_t>()) {
    if (expert >= 0) ++rows[static_cast<size_t>(expert)];
  }
  return rows;
}

// Choices of experts as places in an order of them.
Tensor places_in(Context& ctx, std::span<const int64_t> order, const Tensor& experts,
                 int64_t num_experts) {
  PoolVector<int32_t> place(static_cast<size_t>(num_experts), -1, ctx.allocator());
  for (size_t i = 0; i < order.size(); ++i) {
    place[static_cast<size_t>(order[i])] = static_cast<int32_t>(i);
  }
  const Tensor places = ctx.empty_like(experts);
  const std::span<const int32_t> from = experts.span<int32_t>();
  for (size_t i = 0; i < from.size(); ++i) {
    places.data<int32_t>()[i] = from[i] < 0 ? -1 : place[static_cast<size_t>(from[i])];
  }
  return places;
}

// Offsets of groups [groups.begin, groups.end) alone, from 0.
PoolVector<int64_t> offsets_of(Context& ctx, ops::GroupOffsets ends, Range groups) {
  const auto first = static_cast<size_t>(groups.begin);
  PoolVector<int64_t> own(static_cast<size_t>(groups.size()) + 1, 0, ctx.allocator());
  for (size_t g = 0; g < own.size(); ++g) own[g] = ends[first + g] - ends[first];
  return own;
}

}  // namespace

MoeLayer::MoeLayer(const model::ModelSpec& model, int64_t layer,
                   const model::Parameters& parameters)
    : layer_(layer),
      num_experts_(std::get<model::MoeSpec>(model.blocks[static_cast<size_t>(layer)].feed_forward)
                       .router.num_experts),
      router_(model, layer, parameters),
      gate_up_(parameters.weight(fmt::format("blocks.{}.experts.gate_up", layer))),
      down_(parameters.weight(fmt::format("blocks.{}.experts.down", layer))),
      store_(parameters.experts()) {
  const auto& spec =
      std::get<model::MoeSpec>(model.blocks[static_cast<size_t>(layer)].feed_forward);
  if (spec.shared.intermediate_size > 0) shared_.emplace(spec.shared, layer, parameters);
  if (!store_ || layer + 1 == model.num_layers()) return;
  const auto* next =
      std::get_if<model::MoeSpec>(&model.blocks[static_cast<size_t>(layer) + 1].feed_forward);
  if (next == nullptr) return;
  next_router_.emplace(model, layer + 1, parameters);
  next_experts_ = next->router.num_experts;
}

Tensor MoeLayer::run_experts(Context& ctx, ops::LinearInput rows, const ops::Weight& gate_up,
                             const ops::Weight& down, ops::GroupOffsets offsets, DType type) {
  const Tensor inner = ops::grouped_linear(ctx, rows, gate_up, offsets);
  rows = {};  // before more memory is asked for
  return ops::grouped_linear(ctx, ops::swiglu_input(ctx, inner, down, type), down, offsets);
}

Tensor MoeLayer::run_stored(Context& ctx, const Tensor& x, const ForwardInput& input,
                            const ops::Routing& routing) const {
  const auto visit = store_->visit(layer_, rows_of_experts(ctx, routing.experts, num_experts_));
  guess_next(ctx, x, input);
  const std::span<const int64_t> order = visit->order();
  const ops::DispatchPlanPtr plan =
      ops::plan_dispatch(ctx, places_in(ctx, order, routing.experts, num_experts_),
                         static_cast<int64_t>(order.size()));
  const ops::GroupOffsets ends = plan->offsets;
  const ops::LinearInput permuted = ops::permute(ctx, ops::linear_input(ctx, x, gate_up_), plan);
  const Tensor rows = ctx.empty({ends.back(), x.dim(1)}, ops::inner_type(down_, x.dtype()));
  while (const auto batch = visit->next(ctx)) {
    const Range own = {ends[static_cast<size_t>(batch->experts.begin)],
                       ends[static_cast<size_t>(batch->experts.end)]};
    const Tensor part = run_experts(ctx, ops::slice(permuted, own), batch->gate_up, batch->down,
                                    offsets_of(ctx, ends, batch->experts), x.dtype());
    std::memcpy(rows.slice(own.begin, own.end).raw(), part.raw(),
                static_cast<size_t>(part.bytes()));
  }
  return ops::combine(ctx, rows, routing.weights, plan, x.dtype());
}

void MoeLayer::guess_next(Context& ctx, const Tensor& x, const ForwardInput& input) const {
  if (!next_router_ || !store_->wants_guess(layer_ + 1)) return;
  const ops::Routing guess = next_router_->forward(ctx, x, input, nullptr);
  store_->guess(layer_ + 1, rows_of_experts(ctx, guess.experts, next_experts_));
}

Tensor MoeLayer::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                         RouterTrace* trace) const {
  const ops::Routing routing = router_.forward(ctx, x, input, trace);
  if (input.routing.observer != nullptr) input.routing.observer->saw(layer_, input, routing);
  Tensor y;
  if (store_) {
    y = run_stored(ctx, x, input, routing);
  } else {
    const ops::DispatchPlanPtr plan = ops::plan_dispatch(ctx, routing.experts, num_experts_);
    ops::LinearInput permuted = ops::permute(ctx, ops::linear_input(ctx, x, gate_up_), plan);
    const Tensor rows =
        run_experts(ctx, std::move(permuted), gate_up_, down_, plan->offsets, x.dtype());
    y = ops::combine(ctx, rows, routing.weights, plan, x.dtype());
  }
  if (shared_) y = ops::add(ctx, y, shared_->forward(ctx, x));
  return y;
}

}  // namespace cadre::nn
