#include "core/ops/swiglu.h"

#include "core/ops/check.h"

namespace cadre::ops {

Tensor swiglu(Context& ctx, const Tensor& x) {
  expect_activation(x, "swiglu: x");
  expect_rank(x, 2, "swiglu: x");
  if (x.dim(1) % 2 != 0) {
    fail(ErrorKind::invalid_input, "swiglu: x is {}, expected an even width", to_string(x.shape()));
  }
  const int64_t num_rows = x.dim(0);
  const int64_t width = x.dim(1) / 2;
  const int64_t element = dtype_size(x.dtype());
  const Tensor y = ctx.empty({num_rows, width}, x.dtype());
  const kernels::SwigluArgs args = {
      .x = x.raw(), .y = y.raw(), .dy = nullptr, .dx = nullptr, .type = x.dtype(), .width = width};
  ctx.for_rows(num_rows, 3 * width * element,
               [&](Range rows) { ctx.kernels().swiglu(args, rows); });
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(x)) {
    tape->record(y, [=](Context& c, const Tensor& dy) {
      const Tensor dx = c.empty_like(x);
      const kernels::SwigluArgs back = {.x = x.raw(),
                                        .y = nullptr,
                                        .dy = dy.raw(),
                                        .dx = dx.raw(),
                                        .type = x.dtype(),
                                        .width = width};
      c.for_rows(num_rows, 5 * width * element,
                 [&](Range rows) { c.kernels().swiglu_backward(back, rows); });
      tape->contribute(c, x, dx);
    });
  }
  return y;
}

}  // namespace cadre::ops
