#include <immintrin.h>

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/peak.h"

namespace cadre::kernels::avx512 {

int64_t peak_i8_vnni(int64_t flops) noexcept {
  constexpr int kChains = 16;
  __m512i sum[kChains];
  for (__m512i& s : sum) s = _mm512_setzero_si512();
  __m512i x = _mm512_set1_epi8(3);
  int64_t done = 0;
  for (; done < flops; done += kChains * 128) {
    asm volatile("" : "+v"(x));
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sum[i] = _mm512_dpbusd_epi32(sum[i], x, x);
  }
  for (__m512i& s : sum) asm volatile("" : : "v"(s));
  return done;
}

}  // namespace cadre::kernels::avx512
