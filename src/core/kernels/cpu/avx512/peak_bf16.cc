#include <immintrin.h>

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/peak.h"

namespace cadre::kernels::avx512 {

int64_t peak_bf16(int64_t flops) noexcept {
  constexpr int kChains = 16;
  __m512 sum[kChains];
  for (__m512& s : sum) s = _mm512_set1_ps(1.0f);
  __m512 x = _mm512_set1_ps(0.5f);
  int64_t done = 0;
  for (; done < flops; done += kChains * 64) {
    asm volatile("" : "+v"(x));
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      sum[i] = _mm512_dpbf16_ps(sum[i], (__m512bh)x, (__m512bh)x);
    }
  }
  for (__m512& s : sum) asm volatile("" : : "v"(s));
  return done;
}

}  // namespace cadre::kernels::avx512
