#include <immintrin.h>

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/quantised_gemm.h"

namespace cadre::kernels::avx512 {
namespace {

__m512 load16(const void* x, DType type, int64_t at) {
  if (type == DType::f32) return _mm512_loadu_ps(static_cast<const float*>(x) + at);
  const __m256i half =
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(static_cast<const bf16*>(x) + at));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

__mmask16 not_finite(__m512 x) {
  // Quiet and signalling NaN, both infinities.
  return _mm512_fpclass_ps_mask(x, 0x01 | 0x80 | 0x08 | 0x10);
}

}  // namespace

void quantise_rows(const QuantiseRowsArgs& args, Range rows) noexcept {
  const int64_t groups = args.k / kPackedGroup;
  for (int64_t g = rows.begin * groups; g < rows.end * groups; ++g) {
    const int64_t at = g * kPackedGroup;
    const __m512 x0 = load16(args.x, args.type, at);
    const __m512 x1 = load16(args.x, args.type, at + 16);
    const bool finite = (not_finite(x0) | not_finite(x1)) == 0;
    const float largest =
        finite ? _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(x0), _mm512_abs_ps(x1))) : 0.0f;
    const __m512 inverse = _mm512_set1_ps(largest > 0x1p-118f ? 127.0f / largest : 0.0f);
    const float scale = finite ? largest / 127.0f : __builtin_nanf("");
    // A NaN times nothing would not be nothing.
    const __mmask16 keep = finite ? 0xffff : 0;
    const __m512i q0 = _mm512_cvtps_epi32(_mm512_maskz_mul_ps(keep, x0, inverse));
    const __m512i q1 = _mm512_cvtps_epi32(_mm512_maskz_mul_ps(keep, x1, inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(args.quants + at), _mm512_cvtepi32_epi8(q0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(args.quants + at + 16), _mm512_cvtepi32_epi8(q1));
    const int32_t sum0 = _mm512_reduce_add_epi32(q0);
    const int32_t sum1 = _mm512_reduce_add_epi32(q1);
    args.scales[g] = scale;
    args.sums[2 * g] = sum0;
    args.sums[2 * g + 1] = sum1;
    args.x_minimums[g] = -(scale * static_cast<float>(sum0 + sum1));
  }
}

}  // namespace cadre::kernels::avx512
