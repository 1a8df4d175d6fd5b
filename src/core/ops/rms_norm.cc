#include "core/ops/rms_norm.h"

#include "core/ops/check.h"

namespace cadre::ops {
namespace {

// Columns of the weight's derivative in one task: whole cache lines of each row, and enough tasks.
constexpr int64_t kColumns = 64;

}  // namespace

Tensor rms_norm(Context& ctx, const Tensor& x, const Tensor& weight, float eps, DType dtype) {
  expect_activation(x, "rms_norm: x");
  expect_shape(weight, {x.dim(-1)}, "rms_norm: weight");
  expect_dtype(weight, DType::f32, "rms_norm: weight");
  Tape* tape = ctx.tape();
  const bool tracked = tape != nullptr && (tape->tracks(x) || tape->tracks(weight));
  const int64_t width = x.dim(-1);
  const int64_t num_rows = x.rows();
  const Tensor y = ctx.empty(x.shape(), dtype);
  expect_activation(y, "rms_norm: result");
  const Tensor inverse_rms = tracked ? ctx.empty({num_rows}, DType::f32) : Tensor{};
  const kernels::RmsNormArgs args = {.x = x.raw(),
                                     .x_type = x.dtype(),
                                     .weight = weight.data<float>(),
                                     .y = y.raw(),
                                     .y_type = dtype,
                                     .inverse_rms = inverse_rms.data<float>(),
                                     .hidden_size = width,
                                     .eps = eps};
  const int64_t row_bytes = width * (dtype_size(x.dtype()) + dtype_size(dtype));
  ctx.for_rows(num_rows, row_bytes, [&](Range rows) { ctx.kernels().rms_norm(args, rows); });
  if (!tracked) return y;
  tape->record(y, [=](Context& c, const Tensor& dy) {
    const Gradient dx = tape->gradient(c, x);
    const Gradient dw = tape->gradient(c, weight);
    const kernels::RmsNormBackwardArgs back = {
        .dy = dy.raw(),
        .y_type = dy.dtype(),
        .x = x.raw(),
        .x_type = x.dtype(),
        .weight = weight.data<float>(),
        .inverse_rms = inverse_rms.data<float>(),
        .dx = dx.value.raw(),
        .accumulate = dx.accumulate,
        .dweight = dw.wanted() ? dw.value.data<float>() : nullptr,
        .accumulate_weight = dw.accumulate,
        .num_rows = num_rows,
        .hidden_size = width};
    if (dx.wanted()) {
      CADRE_CHECK(dx.value.dtype() == x.dtype());
      c.for_rows(num_rows, 2 * row_bytes,
                 [&](Range rows) { c.kernels().rms_norm_backward(back, rows); });
    }
    if (dw.wanted()) {
      c.for_blocks(width, kColumns,
                   [&](Range columns) { c.kernels().rms_norm_backward_weight(back, columns); });
    }
  });
  return y;
}

}  // namespace cadre::ops
