#include "core/ops/paged_attention.h"

#include <algorithm>
#include <cstring>

#include "core/ops/attention_forward.h"
#include "core/ops/check.h"
#include "core/tensor/packed_rows.h"

namespace cadre::ops {
namespace {

// For each row of a step the row of its head 0 in the pages, in units of head_dim elements; -1 for
// rows of no segment.
Tensor target_rows(Context& ctx, int64_t count, const std::vector<AttentionSegment>& segments,
                   int64_t num_kv_heads) {
  const Tensor targets = ctx.empty({count}, DType::i64);
  auto* target = targets.data<int64_t>();
  std::fill_n(target, count, -1);
  for (const AttentionSegment& s : segments) {
    for (int64_t i = 0; i < s.num_queries; ++i) {
      const int64_t position = s.num_keys - s.num_queries + i;
      const int64_t page = s.pages[static_cast<size_t>(position / kKeyTile)];
      target[s.query_begin + i] = page * num_kv_heads * kKeyTile + position % kKeyTile;
    }
  }
  return targets;
}

// Copies each head of each row of x, `bytes` of them, to its place.
void scatter(Context& ctx, const std::byte* x, int64_t bytes, int64_t num_kv_heads,
             const Tensor& targets, const Tensor& pages) {
  const auto* target = targets.data<int64_t>();
  auto* to = static_cast<std::byte*>(pages.raw());
  ctx.for_rows(targets.elements(), 2 * bytes * num_kv_heads, [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      if (target[row] < 0) continue;
      for (int64_t h = 0; h < num_kv_heads; ++h) {
        std::memcpy(to + (target[row] + h * kKeyTile) * bytes, x + (row * num_kv_heads + h) * bytes,
                    static_cast<size_t>(bytes));
      }
    }
  });
}

void write_quantised(Context& ctx, const Tensor& x, int64_t num_kv_heads, const Tensor& targets,
                     const Tensor& pages, const Tensor& page_scales) {
  const int64_t rows = x.dim(0);
  const int64_t width = x.dim(1);
  const Tensor quants = ctx.empty(x.shape(), DType::i8);
  const Tensor scales = ctx.empty({rows, width / kPackedGroup}, DType::f32);
  const Tensor sums = ctx.empty({rows, width / (kPackedGroup / 2)}, DType::i32);
  const Tensor minimums = ctx.empty_like(scales);
  const kernels::QuantiseRowsArgs args = {.x = x.raw(),
                                          .type = x.dtype(),
                                          .k = width,
                                          .quants = static_cast<int8_t*>(quants.raw()),
                                          .scales = scales.data<float>(),
                                          .sums = sums.data<int32_t>(),
                                          .x_minimums = minimums.data<float>()};
  ctx.for_rows(rows, width * 6, [&](Range part) { ctx.kernels().quantise_rows(args, part); });
  const int64_t head_dim = width / num_kv_heads;
  scatter(ctx, static_cast<const std::byte*>(quants.raw()), head_dim, num_kv_heads, targets, pages);
  scatter(ctx, static_cast<const std::byte*>(scales.raw()),
          head_dim / kPackedGroup * dtype_size(DType::f32), num_kv_heads, targets, page_scales);
}

}  // namespace

Tensor paged_attention(Context& ctx, const Tensor& q, const KeyValuePages& pages,
                       const AttentionSegments& segments, const AttentionOptions& options,
                       const Tensor& sink_q) {
  if (options.sinks > 0) {
    expect_shape(sink_q, q.shape(), "attention: queries for sinks");
    expect_dtype(sink_q, q.dtype(), "attention: queries for sinks");
  }
  const AttentionOperands of = {
      .shape = check_paged_attention(ctx, q, pages, *segments, options),
      .scale = options.scale,
      .type = q.dtype(),
      .q = static_cast<const std::byte*>(q.raw()),
      .k = nullptr,
      .v = nullptr,
      .pages = &pages,
      .sink_q = options.sinks > 0 ? static_cast<const std::byte*>(sink_q.raw()) : nullptr};
  CADRE_CHECK(ctx.tape() == nullptr || !ctx.tape()->tracks(q));
  const Tensor out = ctx.empty_like(q);
  attention_forward(ctx, of, *segments, out, nullptr);
  return out;
}

void write_key_values(Context& ctx, const Tensor& keys, const Tensor& values,
                      const AttentionSegments& segments, const KeyValuePages& pages) {
  expect_activation(keys, "KV cache: keys");
  expect_rank(pages.keys, 4, "KV cache: pages");
  const int64_t num_kv_heads = pages.keys.dim(1);
  const int64_t head_dim = pages.keys.dim(3);
  expect_shape(keys, {keys.dim(0), num_kv_heads * head_dim}, "KV cache: keys");
  expect_shape(values, keys.shape(), "KV cache: values");
  expect_dtype(values, keys.dtype(), "KV cache: values");
  // A window of one: what is written must have its page, what was written before need not.
  check_paged_attention(
      ctx, keys, pages, *segments,
      {.num_heads = num_kv_heads, .num_kv_heads = num_kv_heads, .scale = 1.0f, .window = 1});
  const Tensor targets = target_rows(ctx, keys.dim(0), *segments, num_kv_heads);
  if (pages.quantised()) {
    write_quantised(ctx, keys, num_kv_heads, targets, pages.keys, pages.key_scales);
    write_quantised(ctx, values, num_kv_heads, targets, pages.values, pages.value_scales);
    return;
  }
  const int64_t bytes = head_dim * dtype_size(keys.dtype());
  const auto copy = [&](const Tensor& x, const Tensor& to) {
    scatter(ctx, static_cast<const std::byte*>(x.raw()), bytes, num_kv_heads, targets, to);
  };
  copy(keys, pages.keys);
  copy(values, pages.values);
}

}  // namespace cadre::ops
