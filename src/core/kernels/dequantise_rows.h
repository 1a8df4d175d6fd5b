// Rows that quantise_rows (core/kernels/quantised_gemm.h) made 8 bits wide, back as numbers:
//
//   y[r, i] = scales[r, i / 32] * float(quants[r, i])
//
// rounded once to f32 and then to the type of y, so every table gives the same bits.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

struct DequantiseRowsArgs {
  const int8_t* quants;  // [m, k]
  const float* scales;   // [m, k / 32]
  int64_t k;             // a multiple of 32
  void* y;               // [m, k]
  DType type;            // f32 or bf16
};
using DequantiseRowsFn = void(const DequantiseRowsArgs& args, Range rows) noexcept;

}  // namespace cadre::kernels
