#include "core/ops/cross_entropy.h"

#include <algorithm>
#include <iterator>

#include "core/ops/check.h"
#include "core/ops/gather_rows.h"
#include "core/ops/gemm_tasks.h"
#include "core/ops/weight.h"

namespace cadre::ops {
namespace {

// Each block passes once over the weight and its gradient, so blocks are as large as one dares.
constexpr int64_t kLogitsBytes = 128 << 20;
// Rows of logits that one task turns into losses.
constexpr int64_t kRowsPerTask = 4;

// Only rows with a target are computed.
struct Rows {
  std::vector<int32_t> source;  // row of x of each computed row
  std::vector<int32_t> place;   // [N] the other way, -1 for rows without target
  std::vector<int32_t> targets;
  std::vector<float> weights;

  int64_t size() const { return static_cast<int64_t>(source.size()); }
};

Rows rows_with_target(std::span<const int32_t> targets, std::span<const float> weights,
                      int64_t vocab_size) {
  Rows rows;
  rows.place.assign(targets.size(), -1);
  for (size_t n = 0; n < targets.size(); ++n) {
    if (targets[n] < -1 || targets[n] >= vocab_size) {
      fail(ErrorKind::invalid_input, "cross_entropy: target {} at position {}, expected -1 to {}",
           targets[n], n, vocab_size - 1);
    }
    if (targets[n] < 0) continue;
    rows.place[n] = static_cast<int32_t>(rows.source.size());
    rows.source.push_back(static_cast<int32_t>(n));
    rows.targets.push_back(targets[n]);
    rows.weights.push_back(weights[n]);
  }
  return rows;
}

// Rows to or from the computed ones; x itself where all are computed.
Tensor gather(Context& ctx, const Tensor& x, const std::vector<int32_t>& source) {
  return std::ssize(source) == x.dim(0) ? x : gather_rows(ctx, x, source);
}

int64_t most_rows(int64_t vocab_size) {
  return std::max<int64_t>(16, kLogitsBytes / 4 / vocab_size);
}

// The blocks are equal and their number a function of (count, V): the order in which the weight's
// gradient is summed must not depend on anything else.
int64_t rows_per_block(int64_t count, int64_t vocab_size) {
  const int64_t most = most_rows(vocab_size);
  const int64_t blocks = std::max<int64_t>(1, (count + most - 1) / most);
  return (std::max<int64_t>(count, 1) + blocks - 1) / blocks;
}

// Losses of all rows; if `dx` or `dw` is wanted, also the derivatives of sum_n weights[n] *
// loss[n].
class Head {
 public:
  Head(const Tensor& x, const Tensor& weight, const Rows& rows, float* losses)
      : x_(x), weight_(weight), rows_(rows), losses_(losses) {}

  void run(Context& ctx, const Tensor& dx, Gradient dw) const {
    const int64_t step = rows_per_block(rows_.size(), weight_.dim(0));
    const Tensor logits = ctx.empty({step, weight_.dim(0)}, DType::f32);
    for (int64_t begin = 0; begin < rows_.size(); begin += step) {
      const Range block = {begin, std::min(rows_.size(), begin + step)};
      forward(ctx, logits, block, dx.defined() || dw.wanted());
      backward(ctx, logits, block, dx, dw);
      dw.accumulate = true;
    }
  }

 private:
  std::byte* x_rows(const Tensor& x, Range block) const {
    return static_cast<std::byte*>(x.raw()) + block.begin * x.dim(1) * dtype_size(x.dtype());
  }

  // Leaves the derivative of each row of logits in its place, in the dtype of x.
  void forward(Context& ctx, const Tensor& logits, Range block, bool derive) const {
    const int64_t vocab_size = weight_.dim(0);
    const kernels::GemmArgs product = {.m = block.size(),
                                       .n = vocab_size,
                                       .k = x_.dim(1),
                                       .a = x_rows(x_, block),
                                       .a_stride = x_.dim(1),
                                       .b = weight_.raw(),
                                       .b_stride = x_.dim(1),
                                       .b_transposed = true,
                                       .type = x_.dtype(),
                                       .c = logits.raw(),
                                       .c_stride = vocab_size};
    run_gemms(ctx, {&product, 1});
    const kernels::CrossEntropyArgs args = {
        .z = logits.data<float>(),
        .z_stride = vocab_size,
        .targets = rows_.targets.data() + block.begin,
        .loss = losses_ + block.begin,
        .lse = nullptr,
        .weight = derive ? rows_.weights.data() + block.begin : nullptr,
        .dz = derive ? logits.raw() : nullptr,
        .dz_type = x_.dtype(),
        .dz_stride = dz_stride(),
        .vocab_size = vocab_size};
    ctx.for_blocks(block.size(), kRowsPerTask,
                   [&](Range rows) { ctx.kernels().cross_entropy(args, rows); });
  }

  int64_t dz_stride() const { return weight_.dim(0) * 4 / dtype_size(x_.dtype()); }

  void backward(Context& ctx, const Tensor& logits, Range block, const Tensor& dx,
                const Gradient& dw) const {
    std::vector<kernels::GemmArgs> products;
    if (dx.defined()) {
      products.push_back({.m = block.size(),
                          .n = x_.dim(1),
                          .k = weight_.dim(0),
                          .a = logits.raw(),
                          .a_stride = dz_stride(),
                          .b = weight_.raw(),
                          .b_stride = x_.dim(1),
                          .type = x_.dtype(),
                          .c = x_rows(dx, block),
                          .c_stride = x_.dim(1),
                          .c_type = dx.dtype()});
    }
    if (dw.wanted()) {
      products.push_back({.m = weight_.dim(0),
                          .n = x_.dim(1),
                          .k = block.size(),
                          .a = logits.raw(),
                          .a_stride = dz_stride(),
                          .a_transposed = true,
                          .b = x_rows(x_, block),
                          .b_stride = x_.dim(1),
                          .type = x_.dtype(),
                          .c = dw.value.raw(),
                          .c_stride = x_.dim(1),
                          .c_type = dw.value.dtype(),
                          .accumulate = dw.accumulate});
    }
    run_gemms(ctx, products);
  }

  const Tensor& x_;
  const Tensor& weight_;
  const Rows& rows_;
  float* losses_;
};

// The losses of the computed rows in their places among `count`.
CrossEntropyResult collect(Context& ctx, const Rows& rows, const std::vector<float>& losses,
                           size_t count) {
  CrossEntropyResult result = {.loss = ctx.empty({1}, DType::f32),
                               .token_losses = std::vector<float>(count, 0.0f)};
  double sum = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    result.token_losses[static_cast<size_t>(rows.source[i])] = losses[i];
    sum += double{rows.weights[i]} * losses[i];
  }
  result.loss.data<float>()[0] = static_cast<float>(sum);
  return result;
}

void scale(Context& ctx, const Tensor& x, float factor) {
  const kernels::AddArgs args = {.a = x.raw(),
                                 .a_type = x.dtype(),
                                 .b = nullptr,
                                 .b_type = x.dtype(),
                                 .y = x.raw(),
                                 .y_type = x.dtype(),
                                 .alpha = factor,
                                 .beta = 0.0f};
  ctx.for_rows(x.elements(), 2 * dtype_size(x.dtype()),
               [&](Range part) { ctx.kernels().add(args, part); });
}

}  // namespace

int64_t cross_entropy_logits_bytes(int64_t count, int64_t vocab_size) {
  return std::min(count, most_rows(vocab_size)) * vocab_size * 4;
}

CrossEntropyResult linear_cross_entropy(Context& ctx, const Tensor& x, const Tensor& weight,
                                        std::span<const int32_t> targets,
                                        std::span<const float> weights) {
  expect_activation(x, "cross_entropy: x");
  expect_rank(x, 2, "cross_entropy: x");
  expect_rank(weight, 2, "cross_entropy: weight");
  expect_shape(weight, {weight.dim(0), x.dim(1)}, "cross_entropy: weight");
  expect_dtype(weight, x.dtype(), "cross_entropy: weight");
  const int64_t count = x.dim(0);
  if (static_cast<int64_t>(targets.size()) != count ||
      static_cast<int64_t>(weights.size()) != count) {
    fail(ErrorKind::invalid_input, "cross_entropy: {} targets and {} weights for {} rows",
         targets.size(), weights.size(), count);
  }
  Tape* tape = ctx.tape();
  const bool tracks_x = tape != nullptr && tape->tracks(x);
  const bool tracks_weight = tape != nullptr && tape->tracks(weight);

  const Rows rows = rows_with_target(targets, weights, weight.dim(0));
  std::vector<float> losses(rows.source.size());
  const Tensor chosen = gather(ctx, x, rows.source);
  const Tensor dchosen = tracks_x ? ctx.empty_like(chosen) : Tensor{};
  const bool derive_weight = tracks_weight && rows.size() > 0;
  const Gradient dw = derive_weight ? tape->gradient(ctx, weight) : Gradient{{}, false};
  Head(chosen, weight, rows, losses.data()).run(ctx, dchosen, dw);

  CrossEntropyResult result = collect(ctx, rows, losses, targets.size());
  if (!tracks_x && !tracks_weight) return result;
  const Tensor dx = tracks_x ? gather(ctx, dchosen, rows.place) : Tensor{};
  tape->record(result.loss, [=, x = TensorKey(x)](Context& c, const Tensor& dy) {
    const float factor = dy.data<float>()[0];
    if (tracks_weight && factor != 1.0f) {
      fail(ErrorKind::internal, "cross_entropy: the loss has the gradient {}, expected 1", factor);
    }
    if (!tracks_x) return;
    if (factor != 1.0f) scale(c, dx, factor);
    tape->contribute(c, x, dx);
  });
  return result;
}

CrossEntropyResult linear_cross_entropy(Context& ctx, const Tensor& x, const Weight& weight,
                                        std::span<const int32_t> targets,
                                        std::span<const float> weights) {
  if (!weight.packed.defined()) {
    return linear_cross_entropy(ctx, x, weight.dense, targets, weights);
  }
  CADRE_CHECK(static_cast<int64_t>(targets.size()) == x.dim(0) && targets.size() == weights.size());
  const int64_t vocab_size = weight.rows();
  const Rows rows = rows_with_target(targets, weights, vocab_size);
  std::vector<float> losses(rows.source.size());
  const LinearInput input = linear_input(ctx, gather(ctx, x, rows.source), weight);
  const int64_t step = rows_per_block(rows.size(), vocab_size);
  for (int64_t begin = 0; begin < rows.size(); begin += step) {
    const Range block = {begin, std::min(rows.size(), begin + step)};
    const Tensor logits = linear(ctx, slice(input, block), weight, DType::f32);
    const kernels::CrossEntropyArgs args = {.z = logits.data<float>(),
                                            .z_stride = vocab_size,
                                            .targets = rows.targets.data() + begin,
                                            .loss = losses.data() + begin,
                                            .lse = nullptr,
                                            .weight = nullptr,
                                            .dz = nullptr,
                                            .dz_type = DType::f32,
                                            .dz_stride = vocab_size,
                                            .vocab_size = vocab_size};
    ctx.for_blocks(block.size(), kRowsPerTask,
                   [&](Range part) { ctx.kernels().cross_entropy(args, part); });
  }
  return collect(ctx, rows, losses, targets.size());
}

}  // namespace cadre::ops
