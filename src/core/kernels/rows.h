// Rows shifted by one vector, by their own mean, or scaled by a gate of their own. x and y are f32
// or bf16; the arithmetic is f32 and the result is rounded once. The scalar versions sum in f64.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

// y[n, i] = x[n, i] + bias[i]
struct AddBiasArgs {
  const void* x;  // [N, D]
  DType x_type;
  const float* bias;  // [D]
  void* y;            // [N, D]; may be the memory of x if the types agree
  DType y_type;
  int64_t width;  // D
};
using AddBiasFn = void(const AddBiasArgs& args, Range rows) noexcept;

// sum[i] (+)= sum_n x[n, i] for the given columns: 64 rows at a time, in ascending order, whose
// sums are then added in ascending order.
struct SumRowsArgs {
  const void* x;  // [N, D]
  DType x_type;
  float* sum;  // [D]
  bool accumulate;
  int64_t num_rows;  // N
  int64_t width;     // D
};
using SumRowsFn = void(const SumRowsArgs& args, Range columns) noexcept;

// y[n, i] = x[n, i] - mean_j(x[n, j]). The map is symmetric, so it is its own derivative.
struct CenterRowsArgs {
  const void* x;  // [N, D]
  DType x_type;
  void* y;  // [N, D]; may be the memory of x if the types agree
  DType y_type;
  int64_t width;  // D >= 1
};
using CenterRowsFn = void(const CenterRowsArgs& args, Range rows) noexcept;

// y[n, i] = s[n] * x[n, i],   s = 1 / (1 + exp(-gate))
// dx[n, i] = s[n] * dy[n, i],   dgate[n] = s (1 - s) sum_i dy[n, i] * x[n, i]
struct SigmoidGateArgs {
  const void* x;      // [N, D]
  DType type;         // of x, y, dy, dx
  const float* gate;  // [N]
  void* y;            // [N, D]; forward only
  const void* dy;     // [N, D]; backward only
  void* dx;           // [N, D]; backward only, overwritten; may be the memory of dy
  float* dgate;       // [N]; backward only, overwritten
  int64_t width;      // D
};
using SigmoidGateFn = void(const SigmoidGateArgs& args, Range rows) noexcept;
using SigmoidGateBackwardFn = void(const SigmoidGateArgs& args, Range rows) noexcept;

}  // namespace cadre::kernels
