#include "core/ops/dispatch.h"

#include <limits>

#include "core/ops/check.h"

namespace cadre::ops {

DispatchPlanPtr plan_dispatch(Context& ctx, const Tensor& experts, int64_t num_experts) {
  expect_rank(experts, 2, "plan_dispatch: experts");
  expect_dtype(experts, DType::i32, "plan_dispatch: experts");
  const int64_t num_tokens = experts.dim(0);
  const int64_t top_k = experts.dim(1);
  if (experts.elements() > std::numeric_limits<int32_t>::max()) {
    fail(ErrorKind::unsupported, "plan_dispatch: {} choices, expected fewer than 2^31",
         experts.elements());
  }
  const std::span<const int32_t> chosen = experts.span<int32_t>();
  Allocator& pool = ctx.allocator();
  PoolVector<int64_t> offsets(static_cast<size_t>(num_experts) + 1, 0, pool);
  for (const int32_t e : chosen) {
    if (e < -1 || e >= num_experts) {
      fail(ErrorKind::invalid_input, "plan_dispatch: expert {}, expected 0 to {}, or -1 for none",
           e, num_experts - 1);
    }
    if (e >= 0) ++offsets[static_cast<size_t>(e) + 1];
  }
  for (size_t e = 0; e + 1 < offsets.size(); ++e) offsets[e + 1] += offsets[e];
  auto plan = std::allocate_shared<DispatchPlan>(PoolAllocator<DispatchPlan>(pool));
  plan->num_tokens = num_tokens;
  plan->top_k = top_k;
  plan->source = PoolVector<int32_t>(static_cast<size_t>(offsets.back()), pool);
  plan->slot = PoolVector<int32_t>(chosen.size(), pool);
  PoolVector<int64_t> next(offsets.begin(), offsets.end() - 1, pool);
  for (int64_t n = 0; n < num_tokens; ++n) {
    for (int64_t j = 0; j < top_k; ++j) {
      const auto choice = static_cast<size_t>(n * top_k + j);
      if (chosen[choice] < 0) {
        plan->slot[choice] = -1;
        continue;
      }
      const int64_t row = next[static_cast<size_t>(chosen[choice])]++;
      plan->source[static_cast<size_t>(row)] = static_cast<int32_t>(n);
      plan->slot[choice] = static_cast<int32_t>(row);
    }
  }
  plan->offsets = std::move(offsets);
  return plan;
}

namespace {

// y[n, :] (+)= sum_j weights[n, j] * rows[slot[n, j], :]; weights may be null for ones.
void sum_rows(Context& ctx, const Tensor& rows, const float* weights, const DispatchPlan& plan,
              const Tensor& y, bool accumulate) {
  const int64_t width = y.dim(1);
  const kernels::CombineArgs args = {.x = rows.raw(),
                                     .weight = weights,
                                     .slot = plan.slot.data(),
                                     .y = y.raw(),
                                     .x_type = rows.dtype(),
                                     .y_type = y.dtype(),
                                     .accumulate = accumulate,
                                     .top_k = plan.top_k,
                                     .width = width};
  const int64_t bytes = width * (plan.top_k * dtype_size(rows.dtype()) + dtype_size(y.dtype()));
  ctx.for_rows(plan.num_tokens, bytes, [&](Range n) { ctx.kernels().combine(args, n); });
}

}  // namespace

Tensor permute(Context& ctx, const Tensor& x, const DispatchPlanPtr& plan) {
  expect_activation(x, "permute: x");
  expect_rank(x, 2, "permute: x");
  expect_shape(x, {plan->num_tokens, x.dim(1)}, "permute: x");
  const int64_t width = x.dim(1);
  const auto num_rows = static_cast<int64_t>(plan->source.size());
  const Tensor y = ctx.empty({num_rows, width}, x.dtype());
  const kernels::GatherRowsArgs args = {
      .x = x.raw(), .y = y.raw(), .type = x.dtype(), .source = plan->source.data(), .width = width};
  ctx.for_rows(num_rows, 2 * width * dtype_size(x.dtype()),
               [&](Range rows) { ctx.kernels().gather_rows(args, rows); });
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(x)) {
    tape->record(y, [tape, x = TensorKey(x), plan](Context& c, const Tensor& dy) {
      const Gradient dx = tape->gradient(c, x);
      sum_rows(c, dy, nullptr, *plan, dx.value, dx.accumulate);
    });
  }
  return y;
}

Tensor combine(Context& ctx, const Tensor& rows, const Tensor& weights, const DispatchPlanPtr& plan,
               DType dtype) {
  expect_activation(rows, "combine: rows");
  expect_rank(rows, 2, "combine: rows");
  expect_shape(rows, {static_cast<int64_t>(plan->source.size()), rows.dim(1)}, "combine: rows");
  expect_shape(weights, {plan->num_tokens, plan->top_k}, "combine: weights");
  expect_dtype(weights, DType::f32, "combine: weights");
  const int64_t width = rows.dim(1);
  const Tensor y = ctx.empty({plan->num_tokens, width}, dtype);
  expect_activation(y, "combine: result");
  sum_rows(ctx, rows, weights.data<float>(), *plan, y, /*accumulate=*/false);
  Tape* tape = ctx.tape();
  if (tape == nullptr || !(tape->tracks(rows) || tape->tracks(weights))) return y;
  tape->record(y, [=](Context& c, const Tensor& dy) {
    const Tensor drows = c.empty_like(rows);
    const Tensor dweights = c.empty_like(weights);
    const kernels::CombineBackwardArgs args = {.x = rows.raw(),
                                               .dy = dy.raw(),
                                               .weight = weights.data<float>(),
                                               .slot = plan->slot.data(),
                                               .dx = drows.raw(),
                                               .dweight = dweights.data<float>(),
                                               .x_type = rows.dtype(),
                                               .y_type = dy.dtype(),
                                               .top_k = plan->top_k,
                                               .width = width};
    const int64_t bytes = width * (2 * plan->top_k + 1) * dtype_size(rows.dtype());
    c.for_rows(plan->num_tokens, bytes, [&](Range n) { c.kernels().combine_backward(args, n); });
    tape->contribute(c, rows, drows);
    tape->contribute(c, weights, dweights);
  });
  return y;
}

}  // namespace cadre::ops
