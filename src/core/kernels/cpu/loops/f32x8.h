// Eight f32 in an AVX register (AVX2, FMA, F16C): the vector type of the avx2 table. The interface
// is that of F32x16.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "core/tensor/dtype.h"

namespace cadre::kernels::avx2 {

struct F64x8;
struct U64x8;

struct F32x8 {
  using F64 = F64x8;
  using U64 = U64x8;
  static constexpr int64_t kWidth = 8;
  struct Mask {
    __m256i lanes;  // all bits of a lane or none
  };
  struct All {};
  struct First {
    int64_t count;
    Mask mask() const { return between(0, count); }
  };

  __m256 lanes;

  static First first(int64_t count) { return {count}; }
  static Mask between(int64_t begin, int64_t end) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i before = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(begin)), lane);
    const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(end)), lane);
    return {_mm256_andnot_si256(before, below)};
  }

  static F32x8 zero() { return {_mm256_setzero_ps()}; }
  static F32x8 all(float x) { return {_mm256_set1_ps(x)}; }

  static F32x8 load(const float* p, All) { return {_mm256_loadu_ps(p)}; }
  static F32x8 load(const float* p, First part) {
    return {_mm256_maskload_ps(p, part.mask().lanes)};
  }
  static F32x8 load(const bf16* p, All) { return widen_bf16(load_halves(p)); }
  static F32x8 load(const bf16* p, First part) { return widen_bf16(load_halves(p, part.count)); }
  static F32x8 load(const f16* p, All) { return {_mm256_cvtph_ps(load_halves(p))}; }
  static F32x8 load(const f16* p, First part) {
    return {_mm256_cvtph_ps(load_halves(p, part.count))};
  }

  static F32x8 load(const int8_t* p, All) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))};
  }

  void store(float* p, All) const { _mm256_storeu_ps(p, lanes); }
  void store(float* p, First part) const { _mm256_maskstore_ps(p, part.mask().lanes, lanes); }
  void store(bf16* p, All) const { store_halves(p, narrow_bf16()); }
  void store(bf16* p, First part) const { store_halves(p, narrow_bf16(), part.count); }
  void store(f16* p, All) const { store_halves(p, narrow_f16()); }
  void store(f16* p, First part) const { store_halves(p, narrow_f16(), part.count); }

  // Half of an aligned line; two that follow each other fill it.
  static void store_past_caches(bf16* p, F32x8 low, F32x8 high) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p),
                        _mm256_set_m128i(high.narrow_bf16(), low.narrow_bf16()));
  }
  static void end_stores_past_caches() { _mm_sfence(); }

  friend F32x8 operator+(F32x8 a, F32x8 b) { return {_mm256_add_ps(a.lanes, b.lanes)}; }
  friend F32x8 operator-(F32x8 a, F32x8 b) { return {_mm256_sub_ps(a.lanes, b.lanes)}; }
  friend F32x8 operator*(F32x8 a, F32x8 b) { return {_mm256_mul_ps(a.lanes, b.lanes)}; }
  friend F32x8 operator/(F32x8 a, F32x8 b) { return {_mm256_div_ps(a.lanes, b.lanes)}; }
  static F32x8 fma(F32x8 a, F32x8 b, F32x8 c) {
    return {_mm256_fmadd_ps(a.lanes, b.lanes, c.lanes)};
  }
  static F32x8 max(F32x8 a, F32x8 b) { return {_mm256_max_ps(a.lanes, b.lanes)}; }
  static F32x8 min(F32x8 a, F32x8 b) { return {_mm256_min_ps(a.lanes, b.lanes)}; }
  static F32x8 sqrt(F32x8 a) { return {_mm256_sqrt_ps(a.lanes)}; }
  // In two steps, as 2^n need not be a normal number: -252 <= n <= 254.
  static F32x8 scale(F32x8 a, F32x8 n) {
    const __m256i whole = _mm256_cvtps_epi32(n.lanes);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    const __m256i rest = _mm256_sub_epi32(whole, half);
    return {_mm256_mul_ps(_mm256_mul_ps(a.lanes, power_of_two(half)), power_of_two(rest))};
  }
  static F32x8 select(Mask mask, F32x8 yes, F32x8 no) {
    return {_mm256_blendv_ps(no.lanes, yes.lanes, _mm256_castsi256_ps(mask.lanes))};
  }
  static F32x8 select(All, F32x8 yes, F32x8) { return yes; }
  static F32x8 select(First part, F32x8 yes, F32x8 no) { return select(part.mask(), yes, no); }
  static Mask at_least(F32x8 a, F32x8 b) {
    return {_mm256_castps_si256(_mm256_cmp_ps(a.lanes, b.lanes, _CMP_GE_OQ))};
  }
  static uint32_t equal(F32x8 a, F32x8 b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a.lanes, b.lanes, _CMP_EQ_OQ)));
  }

  float sum() const {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  float max() const {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }

 private:
  static __m256 power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  static __m128i load_halves(const void* p) {
    return _mm_loadu_si128(static_cast<const __m128i*>(p));
  }
  static __m128i load_halves(const void* p, int64_t count) {
    alignas(16) uint16_t halves[8] = {};
    __builtin_memcpy(halves, p, static_cast<uint64_t>(count) * 2);
    return _mm_load_si128(reinterpret_cast<const __m128i*>(halves));
  }
  static void store_halves(void* p, __m128i halves) {
    _mm_storeu_si128(static_cast<__m128i*>(p), halves);
  }
  static void store_halves(void* p, __m128i halves, int64_t count) {
    __builtin_memcpy(p, &halves, static_cast<uint64_t>(count) * 2);
  }
  static F32x8 widen_bf16(__m128i bits) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
  }
  __m128i narrow_bf16() const {
    const __m256i bits = _mm256_castps_si256(lanes);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(lanes, lanes, _CMP_UNORD_Q));
    const __m256i kept = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(kept), _mm256_extracti128_si256(kept, 1));
  }
  __m128i narrow_f16() const {
    return _mm256_cvtps_ph(lanes, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
};

struct F64x8 {
  __m256d low = _mm256_setzero_pd();
  __m256d high = _mm256_setzero_pd();

  F64x8 plus_square(F32x8 x) const {
    const __m256d a = _mm256_cvtps_pd(_mm256_castps256_ps128(x.lanes));
    const __m256d b = _mm256_cvtps_pd(_mm256_extractf128_ps(x.lanes, 1));
    return {_mm256_fmadd_pd(a, a, low), _mm256_fmadd_pd(b, b, high)};
  }
  friend F64x8 operator+(const F64x8& a, const F64x8& b) {
    return {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
  }
  double sum() const {
    const __m256d both = _mm256_add_pd(low, high);
    const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(both), _mm256_extractf128_pd(both, 1));
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
  }
};

struct U64x8 {
  __m256i low, high;

  static U64x8 all(uint64_t x) {
    const __m256i lanes = _mm256_set1_epi64x(static_cast<int64_t>(x));
    return {lanes, lanes};
  }
  static U64x8 count_from(uint64_t start) {
    const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    return {_mm256_add_epi64(_mm256_set1_epi64x(static_cast<int64_t>(start)), lane),
            _mm256_add_epi64(_mm256_set1_epi64x(static_cast<int64_t>(start + 4)), lane)};
  }
  friend U64x8 operator+(U64x8 a, U64x8 b) {
    return {_mm256_add_epi64(a.low, b.low), _mm256_add_epi64(a.high, b.high)};
  }
  friend U64x8 operator*(U64x8 a, U64x8 b) {
    return {multiply(a.low, b.low), multiply(a.high, b.high)};
  }
  friend U64x8 operator^(U64x8 a, U64x8 b) {
    return {_mm256_xor_si256(a.low, b.low), _mm256_xor_si256(a.high, b.high)};
  }
  friend U64x8 operator>>(U64x8 a, int n) {
    return {_mm256_srli_epi64(a.low, n), _mm256_srli_epi64(a.high, n)};
  }
  F32x8 to_f32() const {
    const __m256i evens = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    const __m256i a = _mm256_permutevar8x32_epi32(low, evens);
    const __m256i b = _mm256_permutevar8x32_epi32(high, evens);
    return {_mm256_cvtepi32_ps(_mm256_blend_epi32(a, b, 0xf0))};
  }

 private:
  // The low halves of the products, from three 32-bit ones.
  static __m256i multiply(__m256i a, __m256i b) {
    const __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(a, 32), b),
                                           _mm256_mul_epu32(a, _mm256_srli_epi64(b, 32)));
    return _mm256_add_epi64(_mm256_mul_epu32(a, b), _mm256_slli_epi64(cross, 32));
  }
};

}  // namespace cadre::kernels::avx2
