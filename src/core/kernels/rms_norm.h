// Scales each row to unit root mean square, then by a learned weight:
//
//   y[n, i] = x[n, i] * weight[i] * r[n]      r[n] = 1 / sqrt(mean_j(x[n, j]^2) + eps)
//
// Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467.
// The scalar version sums in f64, the others in f32. x and y are f32 or bf16; the arithmetic is f32
// and the result is rounded once.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

struct RmsNormArgs {
  const void* x;  // [N, D]
  DType x_type;
  const float* weight;  // [D]
  void* y;              // [N, D]; may be the memory of x if the types agree
  DType y_type;
  float* inverse_rms;   // r, [N], kept for the backward pass; null in inference
  int64_t hidden_size;  // D >= 1
  float eps;
};

// Computes the given rows only: the caller divides rows among threads.
using RmsNormFn = void(const RmsNormArgs& args, Range rows) noexcept;

// dx[n, i] = r * (g[n, i] - x[n, i] * r^2 * mean_j(g[n, j] * x[n, j])),   g = dy * weight
// `accumulate` adds to dx instead of overwriting it. dx may be the memory of x, or of dy if the
// types agree, unless it accumulates.
struct RmsNormBackwardArgs {
  const void* dy;  // [N, D], of y_type
  DType y_type;
  const void* x;  // [N, D]
  DType x_type;
  const float* weight;
  const float* inverse_rms;
  void* dx;  // [N, D], of x_type
  bool accumulate;
  float* dweight;  // [D]; only for RmsNormBackwardWeightFn
  bool accumulate_weight;
  int64_t num_rows;  // N
  int64_t hidden_size;
};
using RmsNormBackwardFn = void(const RmsNormBackwardArgs& args, Range rows) noexcept;

// dweight[i] = sum_n dy[n, i] * x[n, i] * r[n] for the given columns: 64 rows at a time, in
// ascending order, whose sums are then added in ascending order.
using RmsNormBackwardWeightFn = void(const RmsNormBackwardArgs& args, Range columns) noexcept;

}  // namespace cadre::kernels
