#include "core/ops/embedding.h"

#include <cstring>
#include <memory>
#include <vector>

#include "core/ops/check.h"

namespace cadre::ops {
namespace {

// Positions grouped by token, in the order of positions within a token.
struct TokenGroups {
  std::vector<int64_t> offsets;    // [V + 1]
  std::vector<int64_t> positions;  // [N]
};

TokenGroups group_by_token(const std::vector<int32_t>& tokens, int64_t vocab_size) {
  TokenGroups groups;
  groups.offsets.assign(static_cast<size_t>(vocab_size) + 1, 0);
  for (const int32_t token : tokens) ++groups.offsets[static_cast<size_t>(token) + 1];
  for (size_t v = 0; v + 1 < groups.offsets.size(); ++v) groups.offsets[v + 1] += groups.offsets[v];
  std::vector<int64_t> next(groups.offsets.begin(), groups.offsets.end() - 1);
  groups.positions.resize(tokens.size());
  for (size_t n = 0; n < tokens.size(); ++n) {
    const auto place = static_cast<size_t>(next[static_cast<size_t>(tokens[n])]++);
    groups.positions[place] = static_cast<int64_t>(n);
  }
  return groups;
}

// dw[v, :] (+)= sum over n with tokens[n] = v of dy[n, :].
void embedding_backward(Context& ctx, const Tensor& dy, const std::vector<int32_t>& tokens,
                        const Gradient& dw) {
  const int64_t vocab_size = dw.value.dim(0);
  const int64_t width = dw.value.dim(1);
  const TokenGroups groups = group_by_token(tokens, vocab_size);
  const int64_t row_bytes = width * dtype_size(dw.value.dtype());
  const int64_t dy_row_bytes = width * dtype_size(dy.dtype());
  const auto* from = static_cast<const std::byte*>(dy.raw());
  auto* to = static_cast<std::byte*>(dw.value.raw());
  ctx.for_rows(vocab_size, row_bytes, [&](Range rows) {
    for (int64_t v = rows.begin; v < rows.end; ++v) {
      std::byte* row = to + v * row_bytes;
      if (!dw.accumulate) std::memset(row, 0, static_cast<size_t>(row_bytes));
      const int64_t end = groups.offsets[static_cast<size_t>(v) + 1];
      for (int64_t i = groups.offsets[static_cast<size_t>(v)]; i < end; ++i) {
        const kernels::AddArgs args = {
            .a = row,
            .a_type = dw.value.dtype(),
            .b = from + groups.positions[static_cast<size_t>(i)] * dy_row_bytes,
            .b_type = dy.dtype(),
            .y = row,
            .y_type = dw.value.dtype(),
            .alpha = 1.0f,
            .beta = 1.0f};
        ctx.kernels().add(args, {0, width});
      }
    }
  });
}

}  // namespace

void expect_token(int32_t token, int64_t place, int64_t vocab_size) {
  if (token < 0 || token >= vocab_size) {
    fail(ErrorKind::invalid_input, "embedding: token {} at position {}, expected 0 to {}", token,
         place, vocab_size - 1);
  }
}

Tensor embedding(Context& ctx, const Tensor& weight, std::span<const int32_t> tokens, DType dtype) {
  expect_rank(weight, 2, "embedding: weight");
  expect_activation(weight, "embedding: weight");
  const int64_t vocab_size = weight.dim(0);
  const int64_t width = weight.dim(1);
  const auto count = static_cast<int64_t>(tokens.size());
  for (int64_t n = 0; n < count; ++n) {
    expect_token(tokens[static_cast<size_t>(n)], n, vocab_size);
  }
  const Tensor y = ctx.empty({count, width}, dtype);
  expect_activation(y, "embedding: result");
  // A combination of one row each: gathers and converts in one pass.
  const kernels::CombineArgs args = {.x = weight.raw(),
                                     .weight = nullptr,
                                     .slot = tokens.data(),
                                     .y = y.raw(),
                                     .x_type = weight.dtype(),
                                     .y_type = dtype,
                                     .accumulate = false,
                                     .top_k = 1,
                                     .width = width};
  ctx.for_rows(count, width * (dtype_size(weight.dtype()) + dtype_size(dtype)),
               [&](Range rows) { ctx.kernels().combine(args, rows); });
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(weight)) {
    auto kept = std::make_shared<const std::vector<int32_t>>(tokens.begin(), tokens.end());
    tape->record(y, [tape, weight = TensorKey(weight), kept](Context& c, const Tensor& dy) {
      embedding_backward(c, dy, *kept, tape->gradient(c, weight));
    });
  }
  return y;
}

}  // namespace cadre::ops
