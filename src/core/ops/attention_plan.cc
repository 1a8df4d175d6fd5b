#include "core/ops/attention_plan.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/ops/check.h"
#include "core/tensor/packed_rows.h"

namespace cadre::ops {
namespace {

void check_disjoint(const PoolVector<Range>& ranges, const char* what) {
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].begin < ranges[i - 1].end) {
      fail(ErrorKind::invalid_input, "attention: segments share {} {}", what, ranges[i].begin);
    }
  }
}

// The first key that a query at `position` sees, sinks that it sees as such aside.
int64_t first_visible(int64_t position, int64_t window, int64_t sinks) {
  return position < sinks + window ? 0 : position + 1 - window;
}

// Within num_queries rows of q and num_keys rows of k.
void check_extents(const AttentionSegment& s, int64_t num_queries, int64_t num_keys) {
  const bool valid = s.query_begin >= 0 && s.key_begin >= 0 && s.num_queries >= 0 &&
                     s.num_queries <= s.num_keys && s.num_queries <= num_queries - s.query_begin &&
                     s.num_keys <= num_keys - s.key_begin &&
                     s.num_keys <= std::numeric_limits<int32_t>::max();
  if (valid) return;
  fail(ErrorKind::invalid_input,
       "attention: a segment has queries {} + {} and keys {} + {}, expected no more queries "
       "than keys, within {} and {} rows",
       s.query_begin, s.num_queries, s.key_begin, s.num_keys, num_queries, num_keys);
}

// Sums of a position and the window stay far below 2^63.
constexpr int64_t kMaxWindow = int64_t{1} << 40;

void check_heads(const Tensor& q, const AttentionOptions& options) {
  const int64_t heads = options.num_heads;
  const int64_t kv_heads = options.num_kv_heads;
  if (kv_heads < 1 || heads < 1 || heads % kv_heads != 0 || q.dim(1) % heads != 0 ||
      options.window < 0 || options.sinks < 0 || (options.sinks > 0 && options.window == 0)) {
    fail(ErrorKind::invalid_input,
         "attention: q is {} with {} heads, {} key/value heads, window {} and {} sinks; expected "
         "multiples, and sinks with a window",
         to_string(q.shape()), heads, kv_heads, options.window, options.sinks);
  }
}

void check_pages(const KeyValuePages& pages, DType type, int64_t num_kv_heads, int64_t head_dim) {
  const int64_t count = pages.keys.dim(0);
  const Shape shape = {count, num_kv_heads, kKeyTile, head_dim};
  expect_rank(pages.keys, 4, "attention: pages of keys");
  expect_shape(pages.keys, shape, "attention: pages of keys");
  expect_shape(pages.values, shape, "attention: pages of values");
  expect_dtype(pages.values, pages.keys.dtype(), "attention: pages of values");
  if (!pages.quantised()) return expect_dtype(pages.keys, type, "attention: pages of keys");
  if (head_dim % kPackedGroup != 0) {
    fail(ErrorKind::unsupported, "attention: 8-bit pages of heads of {}, expected a multiple of {}",
         head_dim, kPackedGroup);
  }
  const Shape scales = {count, num_kv_heads, kKeyTile, head_dim / kPackedGroup};
  expect_shape(pages.key_scales, scales, "attention: scales of keys");
  expect_shape(pages.value_scales, scales, "attention: scales of values");
  expect_dtype(pages.key_scales, DType::f32, "attention: scales of keys");
  expect_dtype(pages.value_scales, DType::f32, "attention: scales of values");
}

// Positions [first, end) of the segment must lie in pages that exist.
void check_table(const AttentionSegment& s, int64_t first, int64_t end, int64_t num_pages) {
  for (int64_t tile = first / kKeyTile; tile * kKeyTile < end; ++tile) {
    const int32_t page = s.pages[static_cast<size_t>(tile)];
    if (page >= 0 && page < num_pages) continue;
    fail(ErrorKind::invalid_input, "attention: keys {} to {} lie in page {}, expected 0 to {}",
         tile * kKeyTile, std::min(s.num_keys, (tile + 1) * kKeyTile) - 1, page, num_pages - 1);
  }
}

// Queries of a block of about `rows` rows.
int64_t block_queries(const AttentionSegment& segment, const AttentionShape& shape, int64_t rows) {
  const int64_t step = rows == 0 ? segment.num_queries : rows / shape.group();
  constexpr int64_t kWhole = 16;  // whole tiles of products
  return rows != 0 && step > kWhole ? step / kWhole * kWhole : std::max<int64_t>(1, step);
}

}  // namespace

AttentionShape check_attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                               const std::vector<AttentionSegment>& segments,
                               const AttentionOptions& options, bool derive) {
  expect_activation(q, "attention: q");
  expect_dtype(k, q.dtype(), "attention: k");
  expect_dtype(v, q.dtype(), "attention: v");
  expect_rank(q, 2, "attention: q");
  expect_rank(k, 2, "attention: k");
  check_heads(q, options);
  const int64_t head_dim = q.dim(1) / options.num_heads;
  expect_shape(k, {k.dim(0), options.num_kv_heads * head_dim}, "attention: k");
  expect_shape(v, k.shape(), "attention: v");
  CADRE_CHECK(options.sinks == 0);
  for (const AttentionSegment& s : segments) check_extents(s, q.dim(0), k.dim(0));
  check_disjoint(rows_of_segments(ctx, segments, SegmentRows::queries), "query");
  if (derive) check_disjoint(rows_of_segments(ctx, segments, SegmentRows::keys), "key");
  const int64_t window = options.window > 0 ? std::min(options.window, kMaxWindow) : k.dim(0) + 1;
  return {options.num_heads, options.num_kv_heads, head_dim, window};
}

AttentionShape check_paged_attention(Context& ctx, const Tensor& q, const KeyValuePages& pages,
                                     const std::vector<AttentionSegment>& segments,
                                     const AttentionOptions& options) {
  expect_activation(q, "attention: q");
  expect_rank(q, 2, "attention: q");
  check_heads(q, options);
  const int64_t head_dim = q.dim(1) / options.num_heads;
  check_pages(pages, q.dtype(), options.num_kv_heads, head_dim);
  const int64_t window = options.window > 0 ? std::min(options.window, kMaxWindow) : kMaxWindow;
  for (const AttentionSegment& s : segments) {
    check_extents(s, q.dim(0), static_cast<int64_t>(s.pages.size()) * kKeyTile);
    if (s.num_queries == 0) continue;
    const int64_t first = first_visible(s.num_keys - s.num_queries, window, options.sinks);
    check_table(s, first, s.num_keys, pages.keys.dim(0));
    check_table(s, 0, std::min(options.sinks, s.num_keys), pages.keys.dim(0));
  }
  check_disjoint(rows_of_segments(ctx, segments, SegmentRows::queries), "query");
  return {options.num_heads, options.num_kv_heads, head_dim, window,
          std::min(options.sinks, kMaxWindow)};
}

PoolVector<Range> rows_of_segments(Context& ctx, const std::vector<AttentionSegment>& segments,
                                   SegmentRows which) {
  PoolVector<Range> rows(ctx.allocator());
  rows.reserve(segments.size());
  for (const AttentionSegment& s : segments) {
    const int64_t begin = which == SegmentRows::keys ? s.key_begin : s.query_begin;
    const int64_t count = which == SegmentRows::keys ? s.num_keys : s.num_queries;
    if (count > 0) rows.push_back({begin, begin + count});
  }
  std::sort(rows.begin(), rows.end(),
            [](const Range& x, const Range& y) { return x.begin < y.begin; });
  return rows;
}

int64_t count_attention_blocks(const std::vector<AttentionSegment>& segments,
                               const AttentionShape& shape, int64_t rows) {
  int64_t count = 0;
  for (const AttentionSegment& segment : segments) {
    const int64_t step = block_queries(segment, shape, rows);
    count += (segment.num_queries + step - 1) / step * shape.num_kv_heads;
  }
  return count;
}

PoolVector<AttentionBlock> attention_blocks(Context& ctx,
                                            const std::vector<AttentionSegment>& segments,
                                            const AttentionShape& shape, int64_t rows) {
  PoolVector<AttentionBlock> blocks(ctx.allocator());
  blocks.reserve(static_cast<size_t>(count_attention_blocks(segments, shape, rows)));
  for (const AttentionSegment& segment : segments) {
    const int64_t step = block_queries(segment, shape, rows);
    for (int64_t begin = 0; begin < segment.num_queries; begin += step) {
      const Range queries = {begin, std::min(segment.num_queries, begin + step)};
      for (int64_t h = 0; h < shape.num_kv_heads; ++h) blocks.push_back({segment, h, queries});
    }
  }
  const auto work = [](const AttentionBlock& block) {
    return block.queries.size() * (block.position(block.queries.end));
  };
  const auto place = [](const AttentionBlock& block) {
    return std::pair(block.segment.query_begin + block.queries.begin, block.kv_head);
  };
  std::sort(blocks.begin(), blocks.end(), [&](const auto& x, const auto& y) {
    return work(x) != work(y) ? work(x) > work(y) : place(x) < place(y);
  });
  return blocks;
}

void for_each_tile(const AttentionBlock& block, const AttentionShape& shape,
                   FunctionRef<void(const AttentionTile&)> visit) {
  const Range& queries = block.queries;
  const int64_t origin = block.position(0);
  const int64_t last = block.position(queries.end);  // one past the last key that is seen
  const int64_t reach = shape.window + shape.sinks;
  const int64_t first_apart = std::max(queries.begin, reach - origin);  // sees sinks as such
  for (int64_t key = 0; key < shape.sinks && first_apart < queries.end; key += kKeyTile) {
    visit({{key, std::min(shape.sinks, key + kKeyTile)}, {first_apart, queries.end}, true});
  }
  const int64_t first = first_visible(block.position(queries.begin), shape.window, shape.sinks);
  for (int64_t key = first / kKeyTile * kKeyTile; key < last; key += kKeyTile) {
    const Range keys = {key, std::min(block.segment.num_keys, key + kKeyTile)};
    // A query at position p sees keys [p + 1 - window, p], or all if p is below the reach.
    const int64_t begin = std::max(queries.begin, keys.begin - origin);
    const int64_t end =
        std::min(queries.end, std::max(keys.end - 1 + shape.window, reach) - origin);
    if (begin < end) visit({keys, {begin, end}});
  }
}

void visible_keys(const AttentionBlock& block, const AttentionShape& shape,
                  const AttentionTile& tile, int32_t* first, int32_t* last) {
  for (int64_t query = tile.queries.begin; query < tile.queries.end; ++query) {
    const int64_t position = block.position(query);
    const auto within = [&](int64_t key) {
      return static_cast<int32_t>(std::clamp<int64_t>(key - tile.keys.begin, 0, tile.keys.size()));
    };
    const int32_t begin =
        tile.sink ? 0 : within(first_visible(position, shape.window, shape.sinks));
    const int32_t end = within(position + 1);
    for (int64_t g = 0; g < shape.group(); ++g) {
      *first++ = begin;
      *last++ = end;
    }
  }
}

}  // namespace cadre::ops
