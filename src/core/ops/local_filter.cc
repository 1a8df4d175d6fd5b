#include "core/ops/local_filter.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/gemm_tasks.h"
#include "core/tensor/pool_vector.h"

namespace cadre::ops {
namespace {

// Sequences with a row of their own before the first token: row `lead` of each segment s, then its
// tokens. Token n of segment s is row n + s + 1, and its window are the rows n + s and n + s + 1.
// Windows of a lead row mean nothing: what they give is dropped, and their gradient is zero.
struct Layout {
  explicit Layout(Allocator& pool)
      : leads(pool), token_of_row(pool), row_of_token(pool), window_of_token(pool) {}

  int64_t tokens = 0;
  PoolVector<int64_t> leads;            // row of each segment
  PoolVector<int32_t> token_of_row;     // [rows()], -1 for none
  PoolVector<int32_t> row_of_token;     // [tokens]
  PoolVector<int32_t> window_of_token;  // [tokens]

  int64_t rows() const { return tokens + static_cast<int64_t>(leads.size()); }
  int64_t windows() const { return rows() - 1; }
  bool single() const { return leads.size() == 1; }
  // [windows()], -1 for none
  std::span<const int32_t> token_of_window() const { return std::span(token_of_row).subspan(1); }
};

Layout layout_of(Context& ctx, const AttentionSegments& segments, int64_t num_tokens) {
  Layout layout(ctx.allocator());
  const auto tokens = static_cast<size_t>(num_tokens);
  layout.leads.reserve(segments->size());
  layout.token_of_row.reserve(tokens + segments->size());
  layout.row_of_token.reserve(tokens);
  layout.window_of_token.reserve(tokens);
  for (const AttentionSegment& segment : *segments) {
    if (segment.query_begin != layout.tokens || segment.num_queries < 1) {
      fail(ErrorKind::invalid_input, "local_filter: a segment of {} rows at {}, expected it at {}",
           segment.num_queries, segment.query_begin, layout.tokens);
    }
    layout.leads.push_back(layout.rows());
    layout.token_of_row.push_back(-1);
    for (int64_t i = 0; i < segment.num_queries; ++i, ++layout.tokens) {
      layout.token_of_row.push_back(static_cast<int32_t>(layout.tokens));
      layout.row_of_token.push_back(static_cast<int32_t>(layout.rows()));
      layout.window_of_token.push_back(static_cast<int32_t>(layout.rows() - 1));
    }
  }
  if (layout.tokens != num_tokens || num_tokens == 0) {
    fail(ErrorKind::invalid_input, "local_filter: segments of {} rows for {}, expected as many",
         layout.tokens, num_tokens);
  }
  return layout;
}

std::byte* row_of(const Tensor& x, int64_t row) {
  return static_cast<std::byte*>(x.raw()) + row * x.dim(1) * dtype_size(x.dtype());
}

// y[m] = x[source[m]], zeros where source[m] < 0.
Tensor gather(Context& ctx, const Tensor& x, std::span<const int32_t> source) {
  const auto rows = static_cast<int64_t>(source.size());
  const Tensor y = ctx.empty({rows, x.dim(1)}, x.dtype());
  const kernels::GatherRowsArgs args = {
      .x = x.raw(), .y = y.raw(), .type = x.dtype(), .source = source.data(), .width = x.dim(1)};
  ctx.for_rows(rows, 2 * x.dim(1) * dtype_size(x.dtype()),
               [&](Range range) { ctx.kernels().gather_rows(args, range); });
  return y;
}

// The lead rows become those of `values`, or zero if it is undefined.
void set_leads(const Tensor& padded, const Layout& layout, const Tensor& values) {
  const auto bytes = static_cast<size_t>(padded.dim(1) * dtype_size(padded.dtype()));
  for (size_t s = 0; s < layout.leads.size(); ++s) {
    std::byte* lead = row_of(padded, layout.leads[s]);
    if (values.defined()) {
      std::memcpy(lead, row_of(values, static_cast<int64_t>(s)), bytes);
    } else {
      std::memset(lead, 0, bytes);
    }
  }
}

// Rows of h behind their lead rows.
Tensor pad(Context& ctx, const Tensor& h, const Layout& layout, const Tensor& leads) {
  const Tensor padded = gather(ctx, h, layout.token_of_row);
  set_leads(padded, layout, leads);
  return padded;
}

// result[w, :] += weight [x[w] | x[w + 1]] for every window w.
void convolve(Context& ctx, const Tensor& x, const Tensor& weight, std::byte* result,
              DType result_type) {
  const kernels::GemmArgs product = {.m = x.dim(0) - 1,
                                     .n = weight.dim(0),
                                     .k = 2 * x.dim(1),
                                     .a = x.raw(),
                                     .a_stride = x.dim(1),
                                     .b = weight.raw(),
                                     .b_stride = 2 * x.dim(1),
                                     .b_transposed = true,
                                     .type = x.dtype(),
                                     .c = result,
                                     .c_stride = weight.dim(0),
                                     .c_type = result_type,
                                     .accumulate = true};
  run_gemms(ctx, {&product, 1});
}

// c of all rows, the lead ones included.
Tensor inner_rows(Context& ctx, const Tensor& padded, const LocalFilterWeights& weights,
                  const Layout& layout, const Tensor& leads) {
  const int64_t width = weights.first.dim(0);
  const Tensor inner = ctx.empty({layout.rows(), width}, padded.dtype());
  ctx.for_rows(layout.windows(), width * dtype_size(padded.dtype()), [&](Range windows) {
    for (int64_t w = windows.begin; w < windows.end; ++w) {
      ctx.kernels().cast(
          {weights.first_bias.raw(), DType::f32, row_of(inner, w + 1), inner.dtype()}, {0, width});
    }
  });
  convolve(ctx, padded, weights.first, row_of(inner, 1), inner.dtype());
  set_leads(inner, layout, leads);
  return inner;
}

Tensor outer_rows(Context& ctx, const Tensor& padded, const Tensor& inner,
                  const LocalFilterWeights& weights, const Layout& layout) {
  const int64_t width = padded.dim(1);
  const Tensor y = ctx.empty({layout.windows(), width}, DType::f32);
  ctx.for_rows(layout.windows(), 8 * width, [&](Range windows) {
    for (int64_t w = windows.begin; w < windows.end; ++w) {
      ctx.kernels().add({.a = weights.second_bias.raw(),
                         .a_type = DType::f32,
                         .b = row_of(padded, w + 1),
                         .b_type = padded.dtype(),
                         .y = row_of(y, w),
                         .y_type = DType::f32,
                         .alpha = 1.0f,
                         .beta = 1.0f},
                        {0, width});
    }
  });
  convolve(ctx, inner, weights.second, row_of(y, 0), DType::f32);
  return layout.single() ? y : gather(ctx, y, layout.window_of_token);
}

// The gradient of the rows that windows are made of, f32, from dy of each window.
Tensor window_rows_backward(Context& ctx, const Tensor& dy, const Tensor& weight) {
  const int64_t width = weight.dim(1) / 2;
  const Tensor dx = ctx.empty({dy.dim(0) + 1, width}, DType::f32);
  std::memset(row_of(dx, dy.dim(0)), 0, static_cast<size_t>(4 * width));
  for (int64_t tap = 0; tap < 2; ++tap) {
    const kernels::GemmArgs product = {
        .m = dy.dim(0),
        .n = width,
        .k = dy.dim(1),
        .a = dy.raw(),
        .a_stride = dy.dim(1),
        .b = static_cast<const std::byte*>(weight.raw()) + tap * width * dtype_size(weight.dtype()),
        .b_stride = 2 * width,
        .type = dy.dtype(),
        .c = row_of(dx, tap),
        .c_stride = width,
        .c_type = DType::f32,
        .accumulate = tap == 1};
    run_gemms(ctx, {&product, 1});
  }
  return dx;
}

// dweight = sum over windows of dy[w]^T [x[w] | x[w + 1]], and dbias = sum of dy[w].
void weights_backward(Context& ctx, const Tensor& dy, const Tensor& x, const Gradient& dweight,
                      const Gradient& dbias) {
  std::vector<kernels::GemmArgs> products;
  if (dweight.wanted()) {
    products.push_back({.m = dy.dim(1),
                        .n = 2 * x.dim(1),
                        .k = dy.dim(0),
                        .a = dy.raw(),
                        .a_stride = dy.dim(1),
                        .a_transposed = true,
                        .b = x.raw(),
                        .b_stride = x.dim(1),
                        .type = dy.dtype(),
                        .c = dweight.value.raw(),
                        .c_stride = 2 * x.dim(1),
                        .c_type = dweight.value.dtype(),
                        .accumulate = dweight.accumulate});
  }
  const std::vector<float> one(static_cast<size_t>(dy.dim(0)), 1.0f);
  const Tensor ones = ctx.empty({dy.dim(0)}, dy.dtype());
  ctx.kernels().cast({one.data(), DType::f32, ones.raw(), ones.dtype()}, {0, ones.elements()});
  if (dbias.wanted()) {
    products.push_back({.m = 1,
                        .n = dy.dim(1),
                        .k = dy.dim(0),
                        .a = ones.raw(),
                        .a_stride = dy.dim(0),
                        .b = dy.raw(),
                        .b_stride = dy.dim(1),
                        .type = dy.dtype(),
                        .c = dbias.value.raw(),
                        .c_stride = dy.dim(1),
                        .c_type = dbias.value.dtype(),
                        .accumulate = dbias.accumulate});
  }
  run_gemms(ctx, products);
}

void backward(Context& ctx, Tape& tape, const Tensor& dy, const Tensor& padded, const Tensor& inner,
              const LocalFilterWeights& weights, const Layout& layout, const TensorKey& h) {
  const DType type = padded.dtype();
  Tensor dz = cast(ctx, dy, type);
  if (!layout.single()) dz = gather(ctx, dz, layout.token_of_window());
  weights_backward(ctx, dz, inner, tape.gradient(ctx, weights.second),
                   tape.gradient(ctx, weights.second_bias));
  // Nothing reaches the inner rows before a sequence, for they are constant.
  Tensor dinner = window_rows_backward(ctx, dz, weights.second);
  set_leads(dinner, layout, {});
  dinner = cast(ctx, dinner, type);
  const Tensor dwindows = dinner.slice(1, dinner.dim(0));
  weights_backward(ctx, dwindows, padded, tape.gradient(ctx, weights.first),
                   tape.gradient(ctx, weights.first_bias));
  if (!tape.tracks(h)) return;
  Tensor dh = gather(ctx, window_rows_backward(ctx, dwindows, weights.first), layout.row_of_token);
  const kernels::AddArgs residual = {.a = dh.raw(),
                                     .a_type = DType::f32,
                                     .b = dy.raw(),
                                     .b_type = dy.dtype(),
                                     .y = dh.raw(),
                                     .y_type = DType::f32,
                                     .alpha = 1.0f,
                                     .beta = 1.0f};
  ctx.for_rows(dh.elements(), 12, [&](Range part) { ctx.kernels().add(residual, part); });
  tape.contribute(ctx, h, dh);
}

void check(const Tensor& h, const LocalFilterWeights& weights) {
  expect_activation(h, "local_filter: h");
  expect_rank(h, 2, "local_filter: h");
  expect_rank(weights.first, 2, "local_filter: first");
  const int64_t inner = weights.first.dim(0);
  expect_shape(weights.first, {inner, 2 * h.dim(1)}, "local_filter: first");
  expect_dtype(weights.first, h.dtype(), "local_filter: first");
  expect_shape(weights.second, {h.dim(1), 2 * inner}, "local_filter: second");
  expect_dtype(weights.second, h.dtype(), "local_filter: second");
  expect_shape(weights.first_bias, {inner}, "local_filter: first_bias");
  expect_dtype(weights.first_bias, DType::f32, "local_filter: first_bias");
  expect_shape(weights.second_bias, {h.dim(1)}, "local_filter: second_bias");
  expect_dtype(weights.second_bias, DType::f32, "local_filter: second_bias");
}

}  // namespace

Tensor local_filter(Context& ctx, const Tensor& h, const LocalFilterWeights& weights,
                    const AttentionSegments& segments) {
  check(h, weights);
  const Layout layout = layout_of(ctx, segments, h.dim(0));
  const Tensor padded = pad(ctx, h, layout, {});
  const Tensor inner = inner_rows(ctx, padded, weights, layout, {});
  const Tensor y = outer_rows(ctx, padded, inner, weights, layout);
  Tape* tape = ctx.tape();
  if (tape != nullptr &&
      (tape->tracks(h) || tape->tracks(weights.first) || tape->tracks(weights.second) ||
       tape->tracks(weights.first_bias) || tape->tracks(weights.second_bias))) {
    tape->record(y, [=, key = TensorKey(h)](Context& c, const Tensor& dy) {
      backward(c, *tape, dy, padded, inner, weights, layout, key);
    });
  }
  return y;
}

Tensor local_filter(Context& ctx, const Tensor& h, const LocalFilterWeights& weights,
                    const AttentionSegments& segments, const LocalFilterRows& before,
                    Tensor* inner) {
  check(h, weights);
  const Layout layout = layout_of(ctx, segments, h.dim(0));
  const auto sequences = static_cast<int64_t>(layout.leads.size());
  expect_shape(before.hidden, {sequences, h.dim(1)}, "local_filter: rows before");
  expect_dtype(before.hidden, h.dtype(), "local_filter: rows before");
  expect_shape(before.inner, {sequences, weights.first.dim(0)}, "local_filter: inner rows before");
  expect_dtype(before.inner, h.dtype(), "local_filter: inner rows before");
  const Tensor padded = pad(ctx, h, layout, before.hidden);
  const Tensor rows = inner_rows(ctx, padded, weights, layout, before.inner);
  *inner = gather(ctx, rows, layout.row_of_token);
  return outer_rows(ctx, padded, rows, weights, layout);
}

}  // namespace cadre::ops
