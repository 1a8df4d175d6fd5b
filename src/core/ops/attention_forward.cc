#include "core/ops/attention_forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/tensor/packed_rows.h"

namespace cadre::ops {
namespace {

struct ForwardScratch {
  ForwardScratch(std::byte* base, int64_t rows, int64_t head_dim, int64_t element, bool sinks) {
    Pieces pieces(base);
    gemm = pieces.take(kernels::kGemmScratchBytes);
    q = pieces.take(rows * head_dim * element);
    sink_q = pieces.take(sinks ? rows * head_dim * element : 0);
    k = pieces.take(kKeyTile * head_dim * element);
    v = pieces.take(kKeyTile * head_dim * element);
    p = pieces.take(rows * kKeyTile * element);
    scores = pieces.take<float>(rows * kKeyTile);
    output = pieces.take<float>(rows * head_dim);
    row_max = pieces.take<float>(rows);
    row_sum = pieces.take<float>(rows);
    first = pieces.take<int32_t>(rows);
    last = pieces.take<int32_t>(rows);
    bytes = pieces.used();
  }
  std::byte *gemm, *q, *sink_q, *k, *v, *p;
  float *scores, *output, *row_max, *row_sum;
  int32_t *first, *last;
  int64_t bytes;
};

// The keys and values of one tile and head, each row `stride` elements behind the one before.
struct KeyTile {
  const std::byte* keys;
  int64_t key_stride;
  const std::byte* values;  // kKeyTile rows
  int64_t value_stride;
};

// The values of a tile with exactly kKeyTile rows: the product with p always sums over as many
// keys, so its bits do not depend on how many follow. What is missing counts as zero.
void fill_values(const AttentionOperands& of, int64_t num_keys, std::byte* room, KeyTile* tile) {
  if (num_keys == kKeyTile) return;
  const int64_t row_bytes = of.shape.head_dim * of.element();
  if (tile->values != room) {
    for (int64_t j = 0; j < num_keys; ++j) {
      std::memcpy(room + j * row_bytes, tile->values + j * tile->value_stride * of.element(),
                  static_cast<size_t>(row_bytes));
    }
  }
  std::memset(room + num_keys * row_bytes, 0,
              static_cast<size_t>((kKeyTile - num_keys) * row_bytes));
  tile->values = room;
  tile->value_stride = of.shape.head_dim;
}

// Where the page of a tile and head begins, in rows of head_dim elements.
int64_t page_row(const AttentionOperands& of, const AttentionBlock& block, int64_t key) {
  const int64_t page = block.segment.pages[static_cast<size_t>(key / kKeyTile)];
  return (page * of.shape.num_kv_heads + block.kv_head) * kKeyTile;
}

// Rows [row, row + num_keys) of quantised pages in the compute type.
void dequantise_page(Context& ctx, const AttentionOperands& of, const Tensor& quants,
                     const Tensor& scales, int64_t row, int64_t num_keys, std::byte* room) {
  const int64_t head_dim = of.shape.head_dim;
  ctx.kernels().dequantise_rows(
      {.quants = static_cast<const int8_t*>(quants.raw()) + row * head_dim,
       .scales = scales.data<float>() + row * (head_dim / kPackedGroup),
       .k = head_dim,
       .y = room,
       .type = of.type},
      {0, num_keys});
}

KeyTile key_tile(Context& ctx, const AttentionOperands& of, const AttentionBlock& block,
                 const AttentionTile& tile, const ForwardScratch& s) {
  const int64_t head_dim = of.shape.head_dim;
  KeyTile found;
  if (of.pages == nullptr) {
    const int64_t offset = of.kv_offset(block, tile.keys.begin);
    found = {of.k + offset, of.shape.kv_stride(), of.v + offset, of.shape.kv_stride()};
  } else if (const int64_t row = page_row(of, block, tile.keys.begin); of.pages->quantised()) {
    dequantise_page(ctx, of, of.pages->keys, of.pages->key_scales, row, tile.keys.size(), s.k);
    dequantise_page(ctx, of, of.pages->values, of.pages->value_scales, row, tile.keys.size(), s.v);
    found = {s.k, head_dim, s.v, head_dim};
  } else {
    const int64_t offset = row * head_dim * of.element();
    found = {static_cast<const std::byte*>(of.pages->keys.raw()) + offset, head_dim,
             static_cast<const std::byte*>(of.pages->values.raw()) + offset, head_dim};
  }
  fill_values(of, tile.keys.size(), s.v, &found);
  return found;
}

void forward_tile(Context& ctx, const AttentionOperands& of, const AttentionBlock& block,
                  const AttentionTile& tile, const ForwardScratch& s) {
  const int64_t head_dim = of.shape.head_dim;
  const Range rows = block_rows(of, block, tile);
  const KeyTile keys = key_tile(ctx, of, block, tile, s);
  ctx.kernels().gemm(score_product(of, tile, rows, tile.sink ? s.sink_q : s.q, keys.keys,
                                   keys.key_stride, s.scores, s.gemm));
  visible_keys(block, of.shape, tile, s.first, s.last);
  const kernels::AttentionTileArgs softmax = {.scores = s.scores,
                                              .scores_stride = kKeyTile,
                                              .width = kKeyTile,
                                              .first_key = s.first,
                                              .num_keys = s.last,
                                              .scale = of.scale,
                                              .row_max = s.row_max + rows.begin,
                                              .row_sum = s.row_sum + rows.begin,
                                              .output = s.output + rows.begin * head_dim,
                                              .output_width = head_dim,
                                              .p = s.p,
                                              .p_type = of.type,
                                              .p_stride = kKeyTile};
  ctx.kernels().attention_tile(softmax, {0, rows.size()});
  ctx.kernels().gemm({.m = rows.size(),
                      .n = head_dim,
                      .k = kKeyTile,
                      .a = s.p,
                      .a_stride = kKeyTile,
                      .b = keys.values,
                      .b_stride = keys.value_stride,
                      .type = of.type,
                      .c = s.output + rows.begin * head_dim,
                      .c_stride = head_dim,
                      .accumulate = true,
                      .scratch = s.gemm});
}

// lse is [N, H] and may be null.
void forward_block(Context& ctx, const AttentionOperands& of, const AttentionBlock& block,
                   std::byte* out, float* lse, std::byte* scratch) {
  const int64_t group = of.shape.group();
  const int64_t head_dim = of.shape.head_dim;
  const int64_t rows = of.max_rows(block);
  const ForwardScratch s(scratch, rows, head_dim, of.element(), of.sink_q != nullptr);
  collect_rows(of, block, of.q, s.q);
  if (of.sink_q != nullptr) collect_rows(of, block, of.sink_q, s.sink_q);
  std::fill_n(s.row_max, rows, -std::numeric_limits<float>::infinity());
  std::fill_n(s.row_sum, rows, 0.0f);
  std::fill_n(s.output, rows * head_dim, 0.0f);
  for_each_tile(block, of.shape,
                [&](const AttentionTile& tile) { forward_tile(ctx, of, block, tile, s); });
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t query = block.queries.begin + r / group;
    const int64_t head = block.kv_head * group + r % group;
    std::byte* y = out + of.q_offset(block, query) + (r % group) * head_dim * of.element();
    write_run(ctx, s.output + r * head_dim, 1.0f / s.row_sum[r], y, of.type, head_dim);
    if (lse != nullptr) {
      lse[(block.segment.query_begin + query) * of.shape.num_heads + head] =
          s.row_max[r] + std::log(s.row_sum[r]);
    }
  }
}

// Rows of a block make no difference to the result. Many of them, so that packing the keys of a
// tile and bringing them from memory cost little; fewer if threads would be left without work.
int64_t rows_of_blocks(Context& ctx, const AttentionShape& shape,
                       const std::vector<AttentionSegment>& segments) {
  constexpr int64_t kMost = 512;
  constexpr int64_t kFewest = 128;
  constexpr int64_t kBlocksPerThread = 4;
  const int64_t enough = kBlocksPerThread * ctx.pool().num_threads();
  int64_t rows = kMost;
  while (rows > kFewest && count_attention_blocks(segments, shape, rows) < enough) rows /= 2;
  return rows;
}

}  // namespace

void attention_forward(Context& ctx, const AttentionOperands& of,
                       const std::vector<AttentionSegment>& segments, const Tensor& out,
                       float* lse) {
  zero_rows_outside(out, rows_of_segments(ctx, segments, SegmentRows::queries));
  const PoolVector<AttentionBlock> blocks =
      attention_blocks(ctx, segments, of.shape, rows_of_blocks(ctx, of.shape, segments));
  int64_t rows = 1;
  for (const AttentionBlock& block : blocks) rows = std::max(rows, of.max_rows(block));
  const ForwardScratch size(nullptr, rows, of.shape.head_dim, of.element(), of.sink_q != nullptr);
  ctx.for_tasks(static_cast<int64_t>(blocks.size()), size.bytes,
                [&](int64_t i, std::byte* scratch) {
                  forward_block(ctx, of, blocks[static_cast<size_t>(i)],
                                static_cast<std::byte*>(out.raw()), lse, scratch);
                });
}

}  // namespace cadre::ops
