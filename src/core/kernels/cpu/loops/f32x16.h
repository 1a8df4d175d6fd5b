// Sixteen f32 in an AVX-512 register (F, BW, DQ, VL): the vector type of the avx512 table. The same
// interface as F32x8, so that loops/ are written once over either.
//
// Memory is read and written through `All` (every lane) or `First` (lanes below a count, the rest
// read as zero and not written). Sums and maxima over lanes have a fixed order.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "core/tensor/dtype.h"

namespace cadre::kernels::avx512 {

struct F64x16;
struct U64x16;

struct F32x16 {
  using F64 = F64x16;
  using U64 = U64x16;
  static constexpr int64_t kWidth = 16;
  using Mask = __mmask16;
  struct All {};
  struct First {
    Mask mask;
  };

  __m512 lanes;

  // 0 < count < kWidth.
  static First first(int64_t count) { return {static_cast<Mask>((1u << count) - 1)}; }
  // Lanes begin <= lane < end; both may lie outside of the register.
  static Mask between(int64_t begin, int64_t end) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const Mask before = _mm512_cmplt_epi32_mask(lane, _mm512_set1_epi32(static_cast<int>(begin)));
    return _mm512_mask_cmplt_epi32_mask(static_cast<Mask>(~before), lane,
                                        _mm512_set1_epi32(static_cast<int>(end)));
  }

  static F32x16 zero() { return {_mm512_setzero_ps()}; }
  static F32x16 all(float x) { return {_mm512_set1_ps(x)}; }

  static F32x16 load(const float* p, All) { return {_mm512_loadu_ps(p)}; }
  static F32x16 load(const float* p, First part) { return {_mm512_maskz_loadu_ps(part.mask, p)}; }
  static F32x16 load(const bf16* p, All) { return widen_bf16(_mm256_loadu_epi16(p)); }
  static F32x16 load(const bf16* p, First part) {
    return widen_bf16(_mm256_maskz_loadu_epi16(part.mask, p));
  }
  static F32x16 load(const f16* p, All) { return {_mm512_cvtph_ps(_mm256_loadu_epi16(p))}; }
  static F32x16 load(const f16* p, First part) {
    return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(part.mask, p))};
  }

  static F32x16 load(const int8_t* p, All) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
  }

  void store(float* p, All) const { _mm512_storeu_ps(p, lanes); }
  void store(float* p, First part) const { _mm512_mask_storeu_ps(p, part.mask, lanes); }
  void store(bf16* p, All) const { _mm256_storeu_epi16(p, narrow_bf16()); }
  void store(bf16* p, First part) const { _mm256_mask_storeu_epi16(p, part.mask, narrow_bf16()); }
  void store(f16* p, All) const { _mm256_storeu_epi16(p, narrow_f16()); }
  void store(f16* p, First part) const { _mm256_mask_storeu_epi16(p, part.mask, narrow_f16()); }

  // Two registers as one aligned line of bf16 that is not kept in the caches. Such stores are seen
  // by other threads in order only after end_stores_past_caches().
  static void store_past_caches(bf16* p, F32x16 low, F32x16 high) {
    const __m512i line =
        _mm512_inserti64x4(_mm512_castsi256_si512(low.narrow_bf16()), high.narrow_bf16(), 1);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(p), line);
  }
  static void end_stores_past_caches() { _mm_sfence(); }

  friend F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.lanes, b.lanes)}; }
  friend F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.lanes, b.lanes)}; }
  friend F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.lanes, b.lanes)}; }
  friend F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.lanes, b.lanes)}; }
  // a * b + c, rounded once.
  static F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
    return {_mm512_fmadd_ps(a.lanes, b.lanes, c.lanes)};
  }
  // b if either is NaN.
  static F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.lanes, b.lanes)}; }
  static F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.lanes, b.lanes)}; }
  static F32x16 sqrt(F32x16 a) { return {_mm512_sqrt_ps(a.lanes)}; }
  // a * 2^n for whole n, rounded once.
  static F32x16 scale(F32x16 a, F32x16 n) { return {_mm512_scalef_ps(a.lanes, n.lanes)}; }
  static F32x16 select(Mask mask, F32x16 yes, F32x16 no) {
    return {_mm512_mask_blend_ps(mask, no.lanes, yes.lanes)};
  }
  static F32x16 select(All, F32x16 yes, F32x16) { return yes; }
  static F32x16 select(First part, F32x16 yes, F32x16 no) { return select(part.mask, yes, no); }
  static Mask at_least(F32x16 a, F32x16 b) {
    return _mm512_cmp_ps_mask(a.lanes, b.lanes, _CMP_GE_OQ);
  }
  // Bit i is set if lane i of both is the same number.
  static uint32_t equal(F32x16 a, F32x16 b) {
    return _mm512_cmp_ps_mask(a.lanes, b.lanes, _CMP_EQ_OQ);
  }

  float sum() const { return _mm512_reduce_add_ps(lanes); }
  float max() const { return _mm512_reduce_max_ps(lanes); }

 private:
  static F32x16 widen_bf16(__m256i bits) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  // To nearest, ties to even, as to_bf16 in core/tensor/dtype.h: vcvtneps2bf16 would flush
  // subnormals.
  __m256i narrow_bf16() const {
    const __m512i bits = _mm512_castps_si512(lanes);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const Mask nan = _mm512_cmp_ps_mask(lanes, lanes, _CMP_UNORD_Q);
    const __m512i kept = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
  }
  __m256i narrow_f16() const {
    return _mm512_cvtps_ph(lanes, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
};

// Sixteen f64: sums of squares of f32 that must not lose small terms.
struct F64x16 {
  __m512d low = _mm512_setzero_pd();
  __m512d high = _mm512_setzero_pd();

  // this + x * x; the product of two f32 is exact in f64.
  F64x16 plus_square(F32x16 x) const {
    const __m512d a = _mm512_cvtps_pd(_mm512_castps512_ps256(x.lanes));
    const __m512d b = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x.lanes, 1));
    return {_mm512_fmadd_pd(a, a, low), _mm512_fmadd_pd(b, b, high)};
  }
  friend F64x16 operator+(const F64x16& a, const F64x16& b) {
    return {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
  }
  double sum() const { return _mm512_reduce_add_pd(_mm512_add_pd(low, high)); }
};

// Sixteen u64: the counters and bits of a random stream, one for each lane of an F32x16.
struct U64x16 {
  __m512i low, high;

  static U64x16 all(uint64_t x) {
    const __m512i lanes = _mm512_set1_epi64(static_cast<int64_t>(x));
    return {lanes, lanes};
  }
  // start, start + 1, ...
  static U64x16 count_from(uint64_t start) {
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    return {_mm512_add_epi64(_mm512_set1_epi64(static_cast<int64_t>(start)), lane),
            _mm512_add_epi64(_mm512_set1_epi64(static_cast<int64_t>(start + 8)), lane)};
  }
  friend U64x16 operator+(U64x16 a, U64x16 b) {
    return {_mm512_add_epi64(a.low, b.low), _mm512_add_epi64(a.high, b.high)};
  }
  friend U64x16 operator*(U64x16 a, U64x16 b) {
    return {_mm512_mullo_epi64(a.low, b.low), _mm512_mullo_epi64(a.high, b.high)};
  }
  friend U64x16 operator^(U64x16 a, U64x16 b) {
    return {_mm512_xor_si512(a.low, b.low), _mm512_xor_si512(a.high, b.high)};
  }
  friend U64x16 operator>>(U64x16 a, int n) {
    return {_mm512_srli_epi64(a.low, static_cast<unsigned>(n)),
            _mm512_srli_epi64(a.high, static_cast<unsigned>(n))};
  }
  // Values below 2^24, as f32.
  F32x16 to_f32() const {
    const __m256i a = _mm512_cvtepi64_epi32(low);
    const __m256i b = _mm512_cvtepi64_epi32(high);
    return {_mm512_cvtepi32_ps(_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1))};
  }
};

}  // namespace cadre::kernels::avx512
