#include "core/ops/rows.h"

#include <algorithm>

#include "core/ops/check.h"
#include "core/ops/rms_norm.h"

namespace cadre::ops {
namespace {

// Columns of a bias's derivative in one task.
constexpr int64_t kColumns = 64;

int64_t row_bytes(const Tensor& x) { return 2 * x.dim(1) * dtype_size(x.dtype()); }

// x minus the mean of each row, f32.
Tensor center_rows(Context& ctx, const Tensor& x) {
  const auto run = [](Context& c, const Tensor& from, DType dtype) {
    const Tensor to = c.empty(from.shape(), dtype);
    const kernels::CenterRowsArgs args = {.x = from.raw(),
                                          .x_type = from.dtype(),
                                          .y = to.raw(),
                                          .y_type = dtype,
                                          .width = from.dim(1)};
    c.for_rows(from.dim(0), row_bytes(from),
               [&](Range rows) { c.kernels().center_rows(args, rows); });
    return to;
  };
  const Tensor y = run(ctx, x, DType::f32);
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(x)) {
    tape->record(y, [=, x = TensorKey(x)](Context& c, const Tensor& dy) {
      tape->contribute(c, x, run(c, dy, x.dtype()));
    });
  }
  return y;
}

}  // namespace

Tensor add_bias(Context& ctx, const Tensor& x, const Tensor& bias, DType dtype) {
  expect_activation(x, "add_bias: x");
  expect_rank(x, 2, "add_bias: x");
  expect_shape(bias, {x.dim(1)}, "add_bias: bias");
  expect_dtype(bias, DType::f32, "add_bias: bias");
  const Tensor y = ctx.empty(x.shape(), dtype);
  expect_activation(y, "add_bias: result");
  const kernels::AddBiasArgs args = {.x = x.raw(),
                                     .x_type = x.dtype(),
                                     .bias = bias.data<float>(),
                                     .y = y.raw(),
                                     .y_type = dtype,
                                     .width = x.dim(1)};
  ctx.for_rows(x.dim(0), row_bytes(x), [&](Range rows) { ctx.kernels().add_bias(args, rows); });
  Tape* tape = ctx.tape();
  if (tape != nullptr && (tape->tracks(x) || tape->tracks(bias))) {
    tape->record(y, [tape, x = TensorKey(x), bias = TensorKey(bias)](Context& c, const Tensor& dy) {
      if (const Gradient sum = tape->gradient(c, bias); sum.wanted()) {
        const kernels::SumRowsArgs back = {.x = dy.raw(),
                                           .x_type = dy.dtype(),
                                           .sum = sum.value.data<float>(),
                                           .accumulate = sum.accumulate,
                                           .num_rows = dy.dim(0),
                                           .width = dy.dim(1)};
        c.for_blocks(dy.dim(1), kColumns,
                     [&](Range columns) { c.kernels().sum_rows(back, columns); });
      }
      tape->contribute(c, x, dy);
    });
  }
  return y;
}

Tensor layer_norm(Context& ctx, const Tensor& x, float eps, DType dtype) {
  expect_activation(x, "layer_norm: x");
  expect_rank(x, 2, "layer_norm: x");
  const Tensor ones = ctx.empty({x.dim(1)}, DType::f32);
  std::fill_n(ones.data<float>(), ones.elements(), 1.0f);
  return rms_norm(ctx, center_rows(ctx, x), ones, eps, dtype);
}

Tensor sigmoid_gate(Context& ctx, const Tensor& x, const Tensor& gate) {
  expect_activation(x, "sigmoid_gate: x");
  expect_rank(x, 2, "sigmoid_gate: x");
  expect_shape(gate, {x.dim(0), 1}, "sigmoid_gate: gate");
  expect_dtype(gate, DType::f32, "sigmoid_gate: gate");
  const Tensor y = ctx.empty_like(x);
  kernels::SigmoidGateArgs args = {.x = x.raw(),
                                   .type = x.dtype(),
                                   .gate = gate.data<float>(),
                                   .y = y.raw(),
                                   .dy = nullptr,
                                   .dx = nullptr,
                                   .dgate = nullptr,
                                   .width = x.dim(1)};
  ctx.for_rows(x.dim(0), row_bytes(x), [&](Range rows) { ctx.kernels().sigmoid_gate(args, rows); });
  Tape* tape = ctx.tape();
  if (tape != nullptr && (tape->tracks(x) || tape->tracks(gate))) {
    tape->record(y, [=](Context& c, const Tensor& dy) mutable {
      const Tensor dgate = c.empty(gate.shape(), DType::f32);
      args.dy = dy.raw();
      args.dx = dy.raw();
      args.dgate = dgate.data<float>();
      c.for_rows(x.dim(0), row_bytes(x),
                 [&](Range rows) { c.kernels().sigmoid_gate_backward(args, rows); });
      tape->contribute(c, gate, dgate);
      tape->contribute(c, x, dy);
    });
  }
  return y;
}

}  // namespace cadre::ops
