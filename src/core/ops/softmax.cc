#include "core/ops/softmax.h"

namespace cadre::ops {

Tensor softmax(Context& ctx, const Tensor& x) {
  expect_dtype(x, DType::f32, "softmax: x");
  const int64_t width = x.dim(-1);
  const int64_t num_rows = x.rows();
  const int64_t row_bytes = 2 * width * dtype_size(DType::f32);
  const Tensor p = ctx.empty_like(x);
  const kernels::SoftmaxArgs args = {
      .z = x.data<float>(), .p = p.data<float>(), .lse = nullptr, .width = width};
  ctx.for_rows(num_rows, row_bytes, [&](Range rows) { ctx.kernels().softmax(args, rows); });
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(x)) {
    tape->record(p, [=, x = TensorKey(x)](Context& c, const Tensor& dp) {
      // In place: dp is not needed again.
      float* gradient = dp.data<float>();
      const kernels::SoftmaxBackwardArgs back = {
          .p = p.data<float>(), .dp = gradient, .dz = gradient, .width = width};
      c.for_rows(num_rows, 2 * row_bytes,
                 [&](Range rows) { c.kernels().softmax_backward(back, rows); });
      tape->contribute(c, x, dp);
    });
  }
  return p;
}

}  // namespace cadre::ops
