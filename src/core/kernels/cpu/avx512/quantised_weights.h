// Groups of packed weights as registers: what the VNNI and the AMX products share.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "core/tensor/packed_rows.h"

namespace cadre::kernels::avx512 {
namespace {

// Eight quads of 16 rows by 4 elements; quants as stored, without the offset.
struct WeightGroup {
  __m512i quads[8];
};

template <PackedFormat kFormat>
inline WeightGroup load_group(const std::byte* group) {
  WeightGroup w;
  if constexpr (kFormat == PackedFormat::q8_0) {
    for (int j = 0; j < 8; ++j) w.quads[j] = _mm512_loadu_si512(group + 64 * j);
    return w;
  }
  const __m512i low = _mm512_set1_epi8(15);
  for (int j = 0; j < 4; ++j) {
    const __m512i pair = _mm512_loadu_si512(group + 64 * j);
    w.quads[j] = _mm512_and_si512(pair, low);
    w.quads[j + 4] = _mm512_and_si512(_mm512_srli_epi16(pair, 4), low);
  }
  // or_and: (shifted & mask) | quad, one instruction.
  constexpr int kOrAnd = 0xf8;  // a | (b & c)
  if constexpr (kFormat == PackedFormat::q5_k) {
    const __m512i fifth = _mm512_loadu_si512(group + 256);
    const __m512i mask = _mm512_set1_epi8(16);
    for (int j = 0; j < 8; ++j) {
      const __m512i bits =
          j < 4 ? _mm512_slli_epi16(fifth, 4 - j) : _mm512_srli_epi16(fifth, j - 4);
      w.quads[j] = _mm512_ternarylogic_epi32(w.quads[j], bits, mask, kOrAnd);
    }
  }
  if constexpr (kFormat == PackedFormat::q6_k) {
    const __m512i mask = _mm512_set1_epi8(48);
    for (int j = 0; j < 8; ++j) {
      const __m512i upper = _mm512_loadu_si512(group + 256 + 64 * (j / 4));
      const int shift = 2 * (j % 4);
      const __m512i bits =
          shift < 4 ? _mm512_slli_epi16(upper, 4 - shift) : _mm512_srli_epi16(upper, shift - 4);
      w.quads[j] = _mm512_ternarylogic_epi32(w.quads[j], bits, mask, kOrAnd);
    }
  }
  return w;
}

inline __m512 load_halves(const std::byte* at) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}

// Scales of 16 rows for group `group` of a block: of the 32 elements, or with q6_k of the 16
// elements `group` counts there.
template <PackedFormat kFormat>
inline __m512 group_scale(const std::byte* block, __m512 d, int64_t group) {
  if constexpr (kFormat == PackedFormat::q8_0 || kFormat == PackedFormat::q4_0) return d;
  if constexpr (kFormat == PackedFormat::q6_k) {
    const __m128i s = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 32 + 16 * group));
    return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(s)));
  }
  const __m128i s = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 64 + 16 * group));
  return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(s)));
}

inline __m512 group_minimum(const std::byte* block, __m512 dmin, int64_t group) {
  const __m128i s =
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 64 + 128 + 16 * group));
  return _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(s)));
}

}  // namespace
}  // namespace cadre::kernels::avx512
