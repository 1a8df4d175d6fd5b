#include "core/ops/swiglu_input.h"

#include <algorithm>

#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/swiglu.h"

namespace cadre::ops {
namespace {

// Activated values of a task: with what they are made of they stay in the second-level cache.
constexpr int64_t kTaskBytes = 64 << 10;

}  // namespace

LinearInput swiglu_input(Context& ctx, const Tensor& gate_up, const Weight& weight, DType compute) {
  if (!weight.packed.defined()) {
    return linear_input(ctx, cast(ctx, swiglu(ctx, gate_up), compute), weight);
  }
  CADRE_CHECK(!ctx.recording());
  expect_activation(gate_up, "swiglu: x");
  const int64_t n = gate_up.dim(0);
  const int64_t k = weight.packed.k;
  expect_shape(gate_up, {n, 2 * k}, "swiglu: x");
  LinearInput input = quantised_input(ctx, n, k);
  const int64_t element = dtype_size(gate_up.dtype());
  const int64_t step = std::max<int64_t>(1, kTaskBytes / (k * element));
  ctx.for_tasks((n + step - 1) / step, step * k * element, [&](int64_t task, std::byte* scratch) {
    const int64_t begin = task * step;
    const Range rows = {0, std::min(n - begin, step)};
    ctx.kernels().swiglu(
        {.x = static_cast<const std::byte*>(gate_up.raw()) + begin * 2 * k * element,
         .y = scratch,
         .dy = nullptr,
         .dx = nullptr,
         .type = gate_up.dtype(),
         .width = k},
        rows);
    ctx.kernels().quantise_rows(rows_of(input, scratch, gate_up.dtype(), begin), rows);
  });
  return input;
}

}  // namespace cadre::ops
