// How attention is divided into tasks and tiles; what forward and backward share.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/function_ref.h"
#include "core/base/range.h"
#include "core/ops/paged_attention.h"
#include "core/tensor/pool_vector.h"

namespace cadre::ops {

// Keys in a tile, counted from the start of the sequence. Part of the definition of the result: the
// products with values sum over one tile at a time.
constexpr int64_t kKeyTile = kAttentionTile;

// The extents of one call and where its rows lie.
struct AttentionShape {
  int64_t num_heads;
  int64_t num_kv_heads;
  int64_t head_dim;
  int64_t window;     // keys that a query sees; the longest sequence if all
  int64_t sinks = 0;  // first keys that stay in sight of queries at positions from here + window

  int64_t group() const { return num_heads / num_kv_heads; }
  int64_t q_stride() const { return num_heads * head_dim; }
  int64_t kv_stride() const { return num_kv_heads * head_dim; }
};

// Checks all arguments: Error(invalid_input). With `derive`, key ranges must not overlap either.
AttentionShape check_attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                               const std::vector<AttentionSegment>& segments,
                               const AttentionOptions& options, bool derive);

// The same for paged_attention.
AttentionShape check_paged_attention(Context& ctx, const Tensor& q, const KeyValuePages& pages,
                                     const std::vector<AttentionSegment>& segments,
                                     const AttentionOptions& options);

// The queries, or else keys, of the segments that have any, in order.
enum class SegmentRows { queries, keys };
PoolVector<Range> rows_of_segments(Context& ctx, const std::vector<AttentionSegment>& segments,
                                   SegmentRows which);

// Queries [queries) of one segment, counted from its first query, for the query heads of one
// key/value head. Its rows are numbered (query, head of the group), so those of one query lie
// together in memory.
struct AttentionBlock {
  AttentionSegment segment;
  int64_t kv_head;
  Range queries;

  // The position of a query among the keys.
  int64_t position(int64_t query) const { return segment.num_keys - segment.num_queries + query; }
};

// A tile of keys as one block sees it.
struct AttentionTile {
  Range keys;         // within the sequence
  Range queries;      // of the block those that see a key of the tile
  bool sink = false;  // the keys are sinks, met with the other query
};

// Cuts segments and heads into blocks of about `rows` rows, those with most work first. rows = 0
// keeps all queries of a segment in one block.
int64_t count_attention_blocks(const std::vector<AttentionSegment>& segments,
                               const AttentionShape& shape, int64_t rows);
PoolVector<AttentionBlock> attention_blocks(Context& ctx,
                                            const std::vector<AttentionSegment>& segments,
                                            const AttentionShape& shape, int64_t rows);
// Calls visit with each tile that a block sees, in order.
void for_each_tile(const AttentionBlock& block, const AttentionShape& shape,
                   FunctionRef<void(const AttentionTile&)> visit);
// For each row of tile.queries the keys that it sees, [first, last) within the tile.
void visible_keys(const AttentionBlock& block, const AttentionShape& shape,
                  const AttentionTile& tile, int32_t* first, int32_t* last);

}  // namespace cadre::ops
