// Products of 8-bit activations with weights in few bits, on one thread:
//
//   y[t, r] = sum over i of  x[t, i] * w[r, i],    t < m, r < n, i < k
//
// The arithmetic of an element is fixed by the format, not by the instruction set or the tile it
// lands in, so every table gives the same bits, for one token or a thousand. With x in groups of 32
// (scale xs, integers xq; core/tensor/packed_rows.h for w), for scale groups g in ascending order
//
//   dot = sum over i in g of xq[t, i] * (q[r, i] - offset)           exact, in integers
//   acc = fma(scale[r, g], xs * float(dot), acc)
//   acc = fma(minimum[r, g], x_minimum[t, g], acc)                   formats with a minimum
//
// where scale = d * scale and minimum = dmin * min are exact in f32, and the fma rounds once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"
#include "core/tensor/packed_rows.h"

namespace cadre::kernels {

// Activations of m tokens in 8 bits. k is a multiple of 32.
struct QuantisedRows {
  const int8_t* quants;     // [m, k]
  const float* scales;      // [m, k / 32]
  const int32_t* sums;      // [m, k / 16] sums of 16 quants
  const float* x_minimums;  // [m, k / 32]: -(scale * float(sum of the 32 quants))
};

struct QuantisedGemmArgs {
  QuantisedRows x;
  int64_t m = 0;
  int64_t k = 0;  // > 0, a multiple of packed_block_size(format)
  PackedFormat format = PackedFormat::q8_0;
  const std::byte* tiles = nullptr;  // packed_tiles(n) of them, end to end
  int64_t n = 0;                     // rows of w, columns of y
  float* y = nullptr;                // y[t * y_stride + r]
  int64_t y_stride = 0;
  std::byte* scratch = nullptr;  // quantised_gemm_scratch(k) bytes, 64-byte aligned
  // For tables with matrix tiles of 16 tokens: how many must be in the last one for it to pay.
  int64_t tile_tokens = 11;

  // The product of tokens [begin, end) alone.
  QuantisedGemmArgs of_tokens(int64_t begin, int64_t end) const {
    QuantisedGemmArgs part = *this;
    part.m = end - begin;
    part.x.quants += begin * k;
    part.x.scales += begin * (k / 32);
    part.x.sums += begin * (k / 16);
    part.x.x_minimums += begin * (k / 32);
    part.y += begin * y_stride;
    return part;
  }
};
using QuantisedGemmFn = void(const QuantisedGemmArgs& args) noexcept;

// Enough for what a table derives from the activations that it takes at a time: at least 16 tokens
// packed, or 512 KiB of quants.
constexpr int64_t quantised_gemm_scratch(int64_t k) {
  return (k < (32 << 10) ? (512 << 10) : 16 * k) * 5 / 4 + (1200 << 10);
}

// Rounds rows of x to 8 bits: for each group of 32
//
//   scale = max |x| / 127,  quant = round(x * (127 / max |x|)), ties to even;  all 0 if max is 0
//
// Every table gives the same bits. Not-finite values give a not-finite scale and quants of 0.
struct QuantiseRowsArgs {
  const void* x = nullptr;  // [m, k] f32 or bf16
  DType type = DType::f32;
  int64_t k = 0;
  int8_t* quants = nullptr;
  float* scales = nullptr;
  int32_t* sums = nullptr;
  float* x_minimums = nullptr;
};
using QuantiseRowsFn = void(const QuantiseRowsArgs& args, Range rows) noexcept;

}  // namespace cadre::kernels
