#include "core/kernels/peak.h"

#include <immintrin.h>

#include "core/kernels/cpu/avx2/kernels.h"

namespace cadre::kernels::avx2 {

int64_t peak_f32(int64_t flops) noexcept {
  constexpr int kChains = 12;
  __m256 sum[kChains];
  for (__m256& s : sum) s = _mm256_set1_ps(1.0f);
  __m256 x = _mm256_set1_ps(0.5f);
  int64_t done = 0;
  for (; done < flops; done += kChains * 16) {
    asm volatile("" : "+x"(x));
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sum[i] = _mm256_fmadd_ps(x, x, sum[i]);
  }
  for (__m256& s : sum) asm volatile("" : : "x"(s));
  return done;
}

// Two instructions for 32 products: bytes to sums of pairs, and those to 32 bits.
int64_t peak_i8(int64_t flops) noexcept {
  constexpr int kChains = 8;
  __m256i sum[kChains];
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i x = _mm256_set1_epi8(3);
  int64_t done = 0;
  for (; done < flops; done += kChains * 64) {
#pragma GCC unroll 8
    for (int i = 0; i < kChains; ++i) {
      asm volatile("" : "+x"(x));
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(_mm256_maddubs_epi16(x, x), ones));
    }
  }
  for (__m256i& s : sum) asm volatile("" : : "x"(s));
  return done;
}

uint64_t read_memory(const std::byte* from, int64_t bytes) noexcept {
  __m256i sum[4] = {};
  const int64_t half = bytes / 2;
  for (int64_t turn = 0; turn < half; turn += kReadTurn) {
    for (const std::byte* stream : {from + turn, from + half + turn}) {
      for (int64_t i = 0; i < kReadTurn; i += 128) {
#pragma GCC unroll 2
        for (int line = 0; line < 2; ++line) {
          _mm_prefetch(stream + i + 64 * line + kReadFar, _MM_HINT_T1);
          _mm_prefetch(stream + i + 64 * line + kReadNear, _MM_HINT_T0);
        }
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
          sum[v] = _mm256_add_epi64(
              sum[v], _mm256_load_si256(reinterpret_cast<const __m256i*>(stream + i + 32 * v)));
        }
      }
    }
  }
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(
      reinterpret_cast<__m256i*>(lanes),
      _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3])));
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

void write_memory(std::byte* to, int64_t bytes) noexcept {
  const __m256i ones = _mm256_set1_epi8(1);
  for (int64_t i = 0; i < bytes; i += 32) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i), ones);
  }
  _mm_sfence();
}

void copy_memory(const std::byte* from, std::byte* to, int64_t bytes) noexcept {
  for (int64_t i = 0; i < bytes; i += 32) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i)));
  }
  _mm_sfence();
}

}  // namespace cadre::kernels::avx2
