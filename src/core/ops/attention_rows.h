// The rows of q, k, v and their gradients as attention moves them between tensors and scratch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/kernels/gemm.h"
#include "core/ops/attention_plan.h"
#include "core/ops/paged_attention.h"

namespace cadre::ops {

// Hands out consecutive aligned pieces of a task's scratch; with a null base it only measures.
class Pieces {
 public:
  explicit Pieces(std::byte* base) : base_(base) {}
  template <typename T = std::byte>
  T* take(int64_t count) {
    T* piece = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
    return piece;
  }
  int64_t used() const { return used_; }

 private:
  std::byte* base_;
  int64_t used_ = 0;
};

// The operands of one call; the caller keeps the tensors.
struct AttentionOperands {
  AttentionShape shape;
  float scale;
  DType type;
  const std::byte* q;
  const std::byte* k;  // null where keys and values lie in pages
  const std::byte* v;
  const KeyValuePages* pages = nullptr;
  const std::byte* sink_q = nullptr;  // like q, for tiles of sinks; null if there are none

  int64_t element() const { return dtype_size(type); }
  // Offsets of one query's group of heads, and of one key, in bytes.
  int64_t q_offset(const AttentionBlock& block, int64_t query) const {
    return ((block.segment.query_begin + query) * shape.q_stride() +
            block.kv_head * shape.group() * shape.head_dim) *
           element();
  }
  int64_t kv_offset(const AttentionBlock& block, int64_t key) const {
    return ((block.segment.key_begin + key) * shape.kv_stride() + block.kv_head * shape.head_dim) *
           element();
  }
  int64_t max_rows(const AttentionBlock& block) const {
    return block.queries.size() * shape.group();
  }
};

// The rows of a block that see a tile, counted from its first.
Range block_rows(const AttentionOperands& of, const AttentionBlock& block,
                 const AttentionTile& tile);
// scores[r, j] = <q[r], k[j]> for those rows and the keys of the tile, the first of which is at k.
kernels::GemmArgs score_product(const AttentionOperands& of, const AttentionTile& tile, Range rows,
                                const std::byte* q, const std::byte* k, int64_t k_stride,
                                float* scores, std::byte* scratch);

// Collects the rows (query, head) of one block from a tensor like q into consecutive memory.
void collect_rows(const AttentionOperands& of, const AttentionBlock& block, const std::byte* from,
                  std::byte* rows);
// y = alpha * x for a run of elements.
void write_run(Context& ctx, const float* x, float alpha, void* y, DType type, int64_t count);
// Rows of a tensor, `stride_bytes` apart.
struct RowTarget {
  std::byte* y;
  int64_t stride_bytes;
  DType type;
  bool accumulate;
};
// y[r, i] (+)= x[r, i] for rows of `width` elements.
void write_rows(Context& ctx, const float* x, int64_t rows, int64_t width, const RowTarget& target);
// Zeroes the rows of x, [N, width], that none of the ranges names; these are in order.
void zero_rows_outside(const Tensor& x, const PoolVector<Range>& ranges);
// The inner product of two runs of elements, in f32, in one fixed order.
float dot(const std::byte* x, const std::byte* y, DType type, int64_t count);

}  // namespace cadre::ops
