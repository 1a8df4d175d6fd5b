// Movement of tokens between their order in the batch and the order of experts. The activations are
// f32 or bf16, sums are f32.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

// The largest `top_k` of each row, largest first; ties go to the lower index. A NaN counts as -inf,
// and stands as -inf in `values`. The fast tables hand rows of more than 4096 to the scalar one.
struct TopKArgs {
  const float* scores;  // [N, E]
  int64_t num_experts;  // E
  int64_t top_k;        // 1 <= k <= E
  int32_t* experts;     // [N, k]
  float* values;        // [N, k]
};
using TopKFn = void(const TopKArgs& args, Range rows) noexcept;

// y[i, :] = x[source[i], :], and zeros where source[i] < 0.
struct GatherRowsArgs {
  const void* x;
  void* y;  // [M, D]
  DType type;
  const int32_t* source;  // [M]
  int64_t width;          // D
};
using GatherRowsFn = void(const GatherRowsArgs& args, Range rows) noexcept;

// y[n, :] = sum_j weight[n, j] * x[slot[n, j], :], j ascending; slots < 0 are skipped (dropped
// tokens). Without weights every weight is 1. Rounded once; `accumulate` adds the sum to y.
struct CombineArgs {
  const void* x;        // [M, D]
  const float* weight;  // [N, k] or null
  const int32_t* slot;  // [N, k]
  void* y;              // [N, D]
  DType x_type;
  DType y_type;
  bool accumulate;
  int64_t top_k;
  int64_t width;
};
using CombineFn = void(const CombineArgs& args, Range rows) noexcept;

// The derivative of combine: for each n and j with i = slot[n, j] >= 0
//
//   dx[i, :] = weight[n, j] * dy[n, :];    dweight[n, j] = sum_d dy[n, d] * x[i, d]
//
// dweight of a skipped slot is 0. Slots are distinct, so rows may be divided among threads. dx may
// be the memory of x. Rows of dx that no slot names are not touched. Without dweight x is not read.
struct CombineBackwardArgs {
  const void* x;        // [M, D]; may be null if dweight is
  const void* dy;       // [N, D], of y_type
  const float* weight;  // [N, k] or null
  const int32_t* slot;  // [N, k]
  void* dx;             // [M, D], of x_type
  float* dweight;       // [N, k]; null if not wanted
  DType x_type;
  DType y_type;
  int64_t top_k;
  int64_t width;
};
using CombineBackwardFn = void(const CombineBackwardArgs& args, Range rows) noexcept;

}  // namespace cadre::kernels
