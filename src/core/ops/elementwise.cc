#include "core/ops/elementwise.h"

#include "core/ops/check.h"

namespace cadre::ops {

Tensor add(Context& ctx, const Tensor& a, const Tensor& b) {
  expect_activation(a, "add: a");
  expect_activation(b, "add: b");
  expect_shape(b, a.shape(), "add: b");
  const Tensor y = ctx.empty_like(a);
  const kernels::AddArgs args = {.a = a.raw(),
                                 .a_type = a.dtype(),
                                 .b = b.raw(),
                                 .b_type = b.dtype(),
                                 .y = y.raw(),
                                 .y_type = y.dtype(),
                                 .alpha = 1.0f,
                                 .beta = 1.0f};
  ctx.for_rows(y.elements(), 3 * dtype_size(y.dtype()),
               [&](Range part) { ctx.kernels().add(args, part); });
  Tape* tape = ctx.tape();
  if (tape != nullptr && (tape->tracks(a) || tape->tracks(b))) {
    tape->record(y, [tape, a = TensorKey(a), b = TensorKey(b)](Context& c, const Tensor& dy) {
      tape->accumulate(c, b, dy);
      tape->contribute(c, a, dy);
    });
  }
  return y;
}

Tensor cast(Context& ctx, const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor y = ctx.empty(x.shape(), dtype);
  const kernels::CastArgs args = {.x = x.raw(), .x_type = x.dtype(), .y = y.raw(), .y_type = dtype};
  ctx.for_rows(y.elements(), dtype_size(x.dtype()) + dtype_size(dtype),
               [&](Range part) { ctx.kernels().cast(args, part); });
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(x)) {
    tape->record(
        y, [tape, x = TensorKey(x)](Context& c, const Tensor& dy) { tape->contribute(c, x, dy); });
  }
  return y;
}

Tensor clamp(Context& ctx, const Tensor& x, float limit) {
  expect_activation(x, "clamp: x");
  if (!(limit > 0.0f)) {
    fail(ErrorKind::invalid_input, "clamp: the limit is {}, expected more than 0", limit);
  }
  const Tensor y = ctx.empty_like(x);
  const auto run = [type = x.dtype(), limit](Context& c, const Tensor& from, const void* dy,
                                             void* to) {
    const kernels::ClampArgs args = {
        .x = from.raw(), .dy = dy, .y = to, .type = type, .limit = limit};
    c.for_rows(from.elements(), 3 * dtype_size(type),
               [&](Range part) { c.kernels().clamp(args, part); });
  };
  run(ctx, x, nullptr, y.raw());
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(x)) {
    tape->record(y, [=](Context& c, const Tensor& dy) {
      run(c, x, dy.raw(), dy.raw());
      tape->contribute(c, x, dy);
    });
  }
  return y;
}

namespace {

Tensor drop(Context& ctx, const Tensor& x, float p, uint64_t seed, uint64_t stream) {
  const Tensor y = ctx.empty_like(x);
  const kernels::DropoutArgs args = {.x = x.raw(),
                                     .y = y.raw(),
                                     .type = x.dtype(),
                                     .seed = seed,
                                     .stream = stream,
                                     .offset = 0,
                                     .probability = p};
  ctx.for_rows(x.elements(), 2 * dtype_size(x.dtype()),
               [&](Range part) { ctx.kernels().dropout(args, part); });
  return y;
}

}  // namespace

Tensor dropout(Context& ctx, const Tensor& x, float p, uint64_t seed, uint64_t stream) {
  if (!(p >= 0.0f && p < 1.0f)) {
    fail(ErrorKind::invalid_input, "dropout: probability is {}, expected 0 <= p < 1", p);
  }
  if (p == 0.0f || !ctx.recording()) return x;
  expect_activation(x, "dropout: x");
  const Tensor y = drop(ctx, x, p, seed, stream);
  Tape* tape = ctx.tape();
  if (tape->tracks(x)) {
    tape->record(y, [=, x = TensorKey(x)](Context& c, const Tensor& dy) {
      tape->contribute(c, x, drop(c, dy, p, seed, stream));
    });
  }
  return y;
}

}  // namespace cadre::ops
