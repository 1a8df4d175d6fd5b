#include "core/ops/attention.h"

#include <algorithm>

#include "core/ops/attention_forward.h"

namespace cadre::ops {
namespace {

struct BackwardScratch {
  BackwardScratch(std::byte* base, int64_t rows, int64_t num_keys, int64_t head_dim,
                  int64_t element) {
    Pieces pieces(base);
    gemm = pieces.take(kernels::kGemmScratchBytes);
    q = pieces.take(rows * head_dim * element);
    dout = pieces.take(rows * head_dim * element);
    p = pieces.take(rows * kKeyTile * element);
    ds = pieces.take(rows * kKeyTile * element);
    scores = pieces.take<float>(rows * kKeyTile);
    dp = pieces.take<float>(rows * kKeyTile);
    dq = pieces.take<float>(rows * head_dim);
    dk = pieces.take<float>(num_keys * head_dim);
    dv = pieces.take<float>(num_keys * head_dim);
    lse = pieces.take<float>(rows);
    delta = pieces.take<float>(rows);
    first = pieces.take<int32_t>(rows);
    last = pieces.take<int32_t>(rows);
    bytes = pieces.used();
  }
  std::byte *gemm, *q, *dout, *p, *ds;
  float *scores, *dp, *dq, *dk, *dv, *lse, *delta;
  int32_t *first, *last;
  int64_t bytes;
};

// The five products of one tile; dq, dk and dv are sums in f32.
void backward_tile(Context& ctx, const AttentionOperands& of, const AttentionBlock& block,
                   const AttentionTile& tile, const BackwardScratch& s) {
  const int64_t head_dim = of.shape.head_dim;
  const Range rows = block_rows(of, block, tile);
  const int64_t row_bytes = head_dim * of.element();
  const int64_t num_keys = tile.keys.size();
  const std::byte* keys = of.k + of.kv_offset(block, tile.keys.begin);
  kernels::GemmArgs product =
      score_product(of, tile, rows, s.q, keys, of.shape.kv_stride(), s.scores, s.gemm);
  ctx.kernels().gemm(product);
  product.a = s.dout + rows.begin * row_bytes;
  product.b = of.v + of.kv_offset(block, tile.keys.begin);
  product.c = s.dp;
  ctx.kernels().gemm(product);
  visible_keys(block, of.shape, tile, s.first, s.last);
  const kernels::AttentionTileBackwardArgs softmax = {.scores = s.scores,
                                                      .dp = s.dp,
                                                      .stride = kKeyTile,
                                                      .width = num_keys,
                                                      .first_key = s.first,
                                                      .num_keys = s.last,
                                                      .scale = of.scale,
                                                      .lse = s.lse + rows.begin,
                                                      .delta = s.delta + rows.begin,
                                                      .p = s.p,
                                                      .ds = s.ds,
                                                      .p_type = of.type,
                                                      .p_stride = kKeyTile};
  ctx.kernels().attention_tile_backward(softmax, {0, rows.size()});
  kernels::GemmArgs to_keys = {.m = num_keys,
                               .n = head_dim,
                               .k = rows.size(),
                               .a = s.p,
                               .a_stride = kKeyTile,
                               .a_transposed = true,
                               .b = s.dout + rows.begin * row_bytes,
                               .b_stride = head_dim,
                               .type = of.type,
                               .c = s.dv + tile.keys.begin * head_dim,
                               .c_stride = head_dim,
                               .accumulate = true,
                               .scratch = s.gemm};
  ctx.kernels().gemm(to_keys);
  to_keys.a = s.ds;
  to_keys.b = s.q + rows.begin * row_bytes;
  to_keys.c = s.dk + tile.keys.begin * head_dim;
  ctx.kernels().gemm(to_keys);
  ctx.kernels().gemm({.m = rows.size(),
                      .n = head_dim,
                      .k = num_keys,
                      .a = s.ds,
                      .a_stride = kKeyTile,
                      .b = keys,
                      .b_stride = of.shape.kv_stride(),
                      .type = of.type,
                      .c = s.dq + rows.begin * head_dim,
                      .c_stride = head_dim,
                      .accumulate = true,
                      .scratch = s.gemm});
}

// What the backward pass reads besides q, k and v, and where it writes.
struct BackwardOperands {
  const std::byte* out;
  const std::byte* dout;
  const float* lse;
  Gradient dq, dk, dv;
};

void write_keys(Context& ctx, const AttentionOperands& of, const AttentionBlock& segment,
                const float* sums, const Gradient& gradient) {
  if (!gradient.wanted()) return;
  auto* to = static_cast<std::byte*>(gradient.value.raw()) + of.kv_offset(segment, 0);
  write_rows(ctx, sums, segment.segment.num_keys, of.shape.head_dim,
             {to, of.shape.kv_stride() * of.element(), of.type, gradient.accumulate});
}

// All queries of one segment and key/value head, in fixed blocks, so that the sums over queries
// have one order.
void backward_segment(Context& ctx, const AttentionOperands& of, const BackwardOperands& more,
                      const AttentionBlock& segment, int64_t rows_per_block, std::byte* scratch) {
  const int64_t group = of.shape.group();
  const int64_t head_dim = of.shape.head_dim;
  const int64_t num_keys = segment.segment.num_keys;
  const BackwardScratch s(scratch, rows_per_block, num_keys, head_dim, of.element());
  std::fill_n(s.dk, num_keys * head_dim, 0.0f);
  std::fill_n(s.dv, num_keys * head_dim, 0.0f);
  AttentionBlock block = segment;
  const int64_t step = rows_per_block / group;
  for (int64_t begin = 0; begin < segment.queries.end; begin += step) {
    block.queries = {begin, std::min(segment.queries.end, begin + step)};
    const int64_t rows = of.max_rows(block);
    collect_rows(of, block, of.q, s.q);
    collect_rows(of, block, more.dout, s.dout);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t query = begin + r / group;
      const int64_t at = of.q_offset(block, query) + (r % group) * head_dim * of.element();
      s.delta[r] = dot(more.dout + at, more.out + at, of.type, head_dim);
      s.lse[r] = more.lse[(block.segment.query_begin + query) * of.shape.num_heads +
                          block.kv_head * group + r % group];
    }
    std::fill_n(s.dq, rows * head_dim, 0.0f);
    for_each_tile(block, of.shape,
                  [&](const AttentionTile& tile) { backward_tile(ctx, of, block, tile, s); });
    if (!more.dq.wanted()) continue;
    auto* dq = static_cast<std::byte*>(more.dq.value.raw()) + of.q_offset(block, begin);
    write_rows(ctx, s.dq, block.queries.size(), group * head_dim,
               {dq, of.shape.q_stride() * of.element(), of.type, more.dq.accumulate});
  }
  write_keys(ctx, of, segment, s.dk, more.dk);
  write_keys(ctx, of, segment, s.dv, more.dv);
}

int64_t longest(const std::vector<AttentionSegment>& segments) {
  int64_t num_keys = 0;
  for (const AttentionSegment& s : segments) num_keys = std::max(num_keys, s.num_keys);
  return num_keys;
}

void backward(Context& ctx, const AttentionOperands& of, const BackwardOperands& more,
              const std::vector<AttentionSegment>& segments) {
  const auto clear = [&](const Gradient& gradient, SegmentRows which) {
    CADRE_CHECK(!gradient.wanted() || gradient.value.dtype() == of.type);
    if (!gradient.wanted() || gradient.accumulate) return;
    zero_rows_outside(gradient.value, rows_of_segments(ctx, segments, which));
  };
  clear(more.dq, SegmentRows::queries);
  clear(more.dk, SegmentRows::keys);
  clear(more.dv, SegmentRows::keys);
  // Part of the definition of dk and dv, which add one block after the other. Few enough that
  // scores and their gradients stay in the second-level cache.
  constexpr int64_t kBlockRows = 256;
  const int64_t rows = std::max<int64_t>(1, kBlockRows / of.shape.group()) * of.shape.group();
  const BackwardScratch size(nullptr, rows, longest(segments), of.shape.head_dim, of.element());
  const PoolVector<AttentionBlock> tasks = attention_blocks(ctx, segments, of.shape, 0);
  ctx.for_tasks(static_cast<int64_t>(tasks.size()), size.bytes, [&](int64_t i, std::byte* scratch) {
    backward_segment(ctx, of, more, tasks[static_cast<size_t>(i)], rows, scratch);
  });
}

}  // namespace

Tensor attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionSegments& segments, const AttentionOptions& options) {
  Tape* tape = ctx.tape();
  const bool tracked = tape != nullptr && (tape->tracks(q) || tape->tracks(k) || tape->tracks(v));
  const AttentionOperands of = {.shape = check_attention(ctx, q, k, v, *segments, options, tracked),
                                .scale = options.scale,
                                .type = q.dtype(),
                                .q = static_cast<const std::byte*>(q.raw()),
                                .k = static_cast<const std::byte*>(k.raw()),
                                .v = static_cast<const std::byte*>(v.raw())};
  const Tensor out = ctx.empty_like(q);
  const Tensor lse = tracked ? ctx.empty({q.dim(0), options.num_heads}, DType::f32) : Tensor{};
  attention_forward(ctx, of, *segments, out, lse.data<float>());
  if (!tracked) return out;
  tape->record(out, [=](Context& c, const Tensor& dy) {
    const BackwardOperands more = {.out = static_cast<const std::byte*>(out.raw()),
                                   .dout = static_cast<const std::byte*>(dy.raw()),
                                   .lse = lse.data<float>(),
                                   .dq = tape->gradient(c, q),
                                   .dk = tape->gradient(c, k),
                                   .dv = tape->gradient(c, v)};
    backward(c, of, more, *segments);
  });
  return out;
}

}  // namespace cadre::ops
