#include "core/kernels/peak.h"

#include <immintrin.h>

#include "core/kernels/cpu/avx512/kernels.h"

namespace cadre::kernels::avx512 {

// Sixteen chains cover the latency of both units. The operands change from step to step and look
// random, as real ones do: the more bits change, the more power is drawn and the lower the clock.
int64_t peak_f32(int64_t flops) noexcept {
  constexpr int kChains = 16;
  const __m512i lanes = _mm512_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
  __m512 x[8];
  for (uint32_t i = 0; i < 8; ++i) {
    const uint32_t seed = 0x2545f491u + 0x6c8e9cf5u * i;  // modulo 2^32
    const __m512i random = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int>(seed)));
    // Either sign, magnitude between 1/2 and 1.
    x[i] = _mm512_castsi512_ps(
        _mm512_or_epi32(_mm512_and_epi32(random, _mm512_set1_epi32(static_cast<int>(0x807fffffu))),
                        _mm512_set1_epi32(0x3f000000)));
  }
  __m512 sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
  int64_t done = 0;
  for (; done < flops; done += kChains * 32) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      sum[i] = _mm512_fmadd_ps(x[i % 8], x[(i * 3 + 1) % 8], sum[i]);
    }
  }
  for (__m512& s : sum) asm volatile("" : : "v"(s));
  return done;
}

uint64_t read_memory(const std::byte* from, int64_t bytes) noexcept {
  __m512i sum[4] = {};
  const int64_t half = bytes / 2;
  for (int64_t turn = 0; turn < half; turn += kReadTurn) {
    for (const std::byte* stream : {from + turn, from + half + turn}) {
      for (int64_t i = 0; i < kReadTurn; i += 256) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
          const std::byte* line = stream + i + 64 * v;
          _mm_prefetch(line + kReadFar, _MM_HINT_T1);
          _mm_prefetch(line + kReadNear, _MM_HINT_T0);
          sum[v] = _mm512_add_epi64(sum[v], _mm512_load_si512(line));
        }
      }
    }
  }
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(
      _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]), _mm512_add_epi64(sum[2], sum[3]))));
}

void write_memory(std::byte* to, int64_t bytes) noexcept {
  const __m512i ones = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < bytes; i += 64) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), ones);
  }
  _mm_sfence();
}

void copy_memory(const std::byte* from, std::byte* to, int64_t bytes) noexcept {
  for (int64_t i = 0; i < bytes; i += 64) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_load_si512(from + i));
  }
  _mm_sfence();
}

}  // namespace cadre::kernels::avx512
