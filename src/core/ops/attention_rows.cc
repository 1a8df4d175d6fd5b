#include "core/ops/attention_rows.h"

#include <algorithm>
#include <cstring>

namespace cadre::ops {
namespace {

template <typename T>
float dot_of(const T* x, const T* y, int64_t count) {
  // Lanes, so that the compiler may use vectors without changing the order of the sum.
  constexpr int64_t kLanes = 16;
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += to_f32(x[i + l]) * to_f32(y[i + l]);
  }
  float sum = 0;
  for (; i < count; ++i) sum += to_f32(x[i]) * to_f32(y[i]);
  for (const float lane : lanes) sum += lane;
  return sum;
}

}  // namespace

Range block_rows(const AttentionOperands& of, const AttentionBlock& block,
                 const AttentionTile& tile) {
  const int64_t group = of.shape.group();
  return {(tile.queries.begin - block.queries.begin) * group,
          (tile.queries.end - block.queries.begin) * group};
}

kernels::GemmArgs score_product(const AttentionOperands& of, const AttentionTile& tile, Range rows,
                                const std::byte* q, const std::byte* k, int64_t k_stride,
                                float* scores, std::byte* scratch) {
  return {.m = rows.size(),
          .n = tile.keys.size(),
          .k = of.shape.head_dim,
          .a = q + rows.begin * of.shape.head_dim * of.element(),
          .a_stride = of.shape.head_dim,
          .b = k,
          .b_stride = k_stride,
          .b_transposed = true,
          .type = of.type,
          .c = scores,
          .c_stride = kKeyTile,
          .scratch = scratch};
}

void collect_rows(const AttentionOperands& of, const AttentionBlock& block, const std::byte* from,
                  std::byte* rows) {
  const int64_t bytes = of.shape.group() * of.shape.head_dim * of.element();
  for (int64_t query = block.queries.begin; query < block.queries.end; ++query, rows += bytes) {
    std::memcpy(rows, from + of.q_offset(block, query), static_cast<size_t>(bytes));
  }
}

void write_run(Context& ctx, const float* x, float alpha, void* y, DType type, int64_t count) {
  const kernels::AddArgs args = {.a = x,
                                 .a_type = DType::f32,
                                 .b = nullptr,
                                 .b_type = type,
                                 .y = y,
                                 .y_type = type,
                                 .alpha = alpha,
                                 .beta = 0.0f};
  ctx.kernels().add(args, {0, count});
}

void write_rows(Context& ctx, const float* x, int64_t rows, int64_t width,
                const RowTarget& target) {
  // A kernel called for each short row costs more than a conversion of many and a copy of each.
  constexpr int64_t kElements = 4096;
  alignas(64) bf16 converted[kElements];
  const int64_t step =
      target.accumulate || target.type != DType::bf16 ? 1 : std::max<int64_t>(1, kElements / width);
  for (int64_t begin = 0; begin < rows; begin += step) {
    const int64_t count = std::min(step, rows - begin);
    std::byte* y = target.y + begin * target.stride_bytes;
    if (step == 1) {
      const void* b = target.accumulate ? y : nullptr;
      ctx.kernels().add({x + begin * width, DType::f32, b, target.type, y, target.type, 1.0f,
                         target.accumulate ? 1.0f : 0.0f},
                        {0, width});
      continue;
    }
    ctx.kernels().cast({x + begin * width, DType::f32, converted, DType::bf16}, {0, count * width});
    for (int64_t r = 0; r < count; ++r) {
      std::memcpy(y + r * target.stride_bytes, converted + r * width,
                  static_cast<size_t>(width) * sizeof(bf16));
    }
  }
}

void zero_rows_outside(const Tensor& x, const PoolVector<Range>& ranges) {
  const int64_t row_bytes = x.dim(1) * dtype_size(x.dtype());
  const auto zero = [&](Range gap) {
    if (gap.begin >= gap.end) return;
    std::memset(static_cast<std::byte*>(x.raw()) + gap.begin * row_bytes, 0,
                static_cast<size_t>(gap.size() * row_bytes));
  };
  int64_t end = 0;
  for (const Range& range : ranges) {
    zero({end, range.begin});
    end = std::max(end, range.end);
  }
  zero({end, x.dim(0)});
}

float dot(const std::byte* x, const std::byte* y, DType type, int64_t count) {
  if (type == DType::bf16) {
    return dot_of(reinterpret_cast<const bf16*>(x), reinterpret_cast<const bf16*>(y), count);
  }
  return dot_of(reinterpret_cast<const float*>(x), reinterpret_cast<const float*>(y), count);
}

}  // namespace cadre::ops
