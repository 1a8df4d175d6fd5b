// The register tile of products with AVX-512, and the transposition that packing needs.
#pragma once

#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

// 14 x 32: 28 sums, two vectors of b and a broadcast of the 32 registers.
struct GemmIsa {
  using Vector = F32x16;
  static constexpr int64_t kWidth = 16;
  static constexpr int64_t kRows = 14;
  static constexpr int64_t kVectors = 2;

  // x[c] = column c of the 16 x 16 matrix at `from` (row stride in f32). Half of the exchange of
  // lanes is done by loads, which have ports of their own.
  static void load_transposed(const float* from, int64_t stride, F32x16 (&x)[16]) {
#pragma GCC unroll 4
    for (int64_t c = 0; c < 4; ++c) {
      // quad[r] holds columns 4 c to 4 c + 3 of rows r, r + 4, r + 8 and r + 12.
      __m512 quad[4];
#pragma GCC unroll 4
      for (int64_t r = 0; r < 4; ++r) {
        const float* p = from + r * stride + 4 * c;
        __m512 q = _mm512_broadcast_f32x4(_mm_loadu_ps(p));
        q = _mm512_mask_broadcast_f32x4(q, 0x00f0, _mm_loadu_ps(p + 4 * stride));
        q = _mm512_mask_broadcast_f32x4(q, 0x0f00, _mm_loadu_ps(p + 8 * stride));
        quad[r] = _mm512_mask_broadcast_f32x4(q, 0xf000, _mm_loadu_ps(p + 12 * stride));
      }
      const __m512 low01 = _mm512_unpacklo_ps(quad[0], quad[1]);
      const __m512 high01 = _mm512_unpackhi_ps(quad[0], quad[1]);
      const __m512 low23 = _mm512_unpacklo_ps(quad[2], quad[3]);
      const __m512 high23 = _mm512_unpackhi_ps(quad[2], quad[3]);
      x[4 * c].lanes = _mm512_shuffle_ps(low01, low23, 0x44);
      x[4 * c + 1].lanes = _mm512_shuffle_ps(low01, low23, 0xee);
      x[4 * c + 2].lanes = _mm512_shuffle_ps(high01, high23, 0x44);
      x[4 * c + 3].lanes = _mm512_shuffle_ps(high01, high23, 0xee);
    }
  }

  static void transpose(F32x16 (&x)[16]) {
    __m512 pair[16], quad[16], half[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      pair[i] = _mm512_unpacklo_ps(x[i].lanes, x[i + 1].lanes);
      pair[i + 1] = _mm512_unpackhi_ps(x[i].lanes, x[i + 1].lanes);
    }
    // quad[4 g + c] holds column c, c + 4, c + 8 and c + 12 of rows 4 g to 4 g + 3.
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      quad[i] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0x44);
      quad[i + 1] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0xee);
      quad[i + 2] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
      quad[i + 3] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      half[c] = _mm512_shuffle_f32x4(quad[c], quad[c + 4], 0x88);
      half[c + 4] = _mm512_shuffle_f32x4(quad[c], quad[c + 4], 0xdd);
      half[c + 8] = _mm512_shuffle_f32x4(quad[c + 8], quad[c + 12], 0x88);
      half[c + 12] = _mm512_shuffle_f32x4(quad[c + 8], quad[c + 12], 0xdd);
    }
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c) {
      x[c].lanes = _mm512_shuffle_f32x4(half[c], half[c + 8], 0x88);
      x[c + 8].lanes = _mm512_shuffle_f32x4(half[c], half[c + 8], 0xdd);
    }
  }
};

}  // namespace cadre::kernels::avx512
