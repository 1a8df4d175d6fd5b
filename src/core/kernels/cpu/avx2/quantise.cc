// Eight lanes at a time, with the arithmetic of the scalar version on each, so the same bits.
#include "core/kernels/quantise.h"

#include <immintrin.h>

#include "core/kernels/cpu/avx2/kernels.h"

namespace cadre::kernels::avx2 {
namespace {

__m256 magnitude(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

// The largest magnitude; NaN counts as nothing, as in fmax (vmaxps gives its second operand then).
float largest_magnitude(const float* x) {
  __m256 largest = _mm256_setzero_ps();
  for (int i = 0; i < 32; i += 8) {
    largest = _mm256_max_ps(magnitude(_mm256_loadu_ps(x + i)), largest);
  }
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

void write_f16(float value, uint8_t* bytes) {
  const __m128i half = _mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT);
  const auto bits = static_cast<uint16_t>(_mm_extract_epi16(half, 0));
  __builtin_memcpy(bytes, &bits, sizeof(bits));
}

// Nearest, halves away from zero.
__m256 round_half_away(__m256 x) {
  const __m256 whole = _mm256_round_ps(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  const __m256 far =
      _mm256_cmp_ps(magnitude(_mm256_sub_ps(x, whole)), _mm256_set1_ps(0.5f), _CMP_GE_OQ);
  const __m256 sign = _mm256_and_ps(x, _mm256_set1_ps(-0.0f));
  const __m256 one = _mm256_or_ps(sign, _mm256_set1_ps(1.0f));
  return _mm256_add_ps(whole, _mm256_and_ps(far, one));
}

// Truncated; NaN becomes the lowest.
__m256i to_integers(__m256 x, float low, float high) {
  const __m256 bottom = _mm256_set1_ps(low);
  x = _mm256_blendv_ps(bottom, x, _mm256_cmp_ps(x, bottom, _CMP_GT_OQ));
  return _mm256_cvttps_epi32(_mm256_min_ps(x, _mm256_set1_ps(high)));
}

// 32 integers that fit a byte, in order.
__m256i to_bytes(const __m256i q[4]) {
  const __m256i words0 = _mm256_packs_epi32(q[0], q[1]);
  const __m256i words1 = _mm256_packs_epi32(q[2], q[3]);
  const __m256i bytes = _mm256_packs_epi16(words0, words1);
  // Packing works within halves: quads come as 0 2 4 6 1 3 5 7.
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

void q8_0(const float* x, uint8_t* block) {
  const float d = largest_magnitude(x) / 127.0f;
  const __m256 inverse = _mm256_set1_ps(d == 0.0f ? 0.0f : 1.0f / d);
  write_f16(d, block);
  __m256i q[4];
  for (int j = 0; j < 4; ++j) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + 8 * j), inverse);
    q[j] = to_integers(round_half_away(scaled), -128.0f, 127.0f);
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(block + 2), to_bytes(q));
}

void q4_0(const float* x, uint8_t* block) {
  const float most = largest_magnitude(x);
  // The first value of that magnitude, with its sign.
  float largest = 0.0f;
  for (int i = 0; most > 0.0f && i < 32; i += 8) {
    const __m256 found =
        _mm256_cmp_ps(magnitude(_mm256_loadu_ps(x + i)), _mm256_set1_ps(most), _CMP_EQ_OQ);
    if (const int lanes = _mm256_movemask_ps(found); lanes != 0) {
      largest = x[i + __builtin_ctz(static_cast<unsigned>(lanes))];
      break;
    }
  }
  const float d = largest / -8.0f;
  const __m256 inverse = _mm256_set1_ps(d == 0.0f ? 0.0f : 1.0f / d);
  write_f16(d, block);
  __m256i q[4];
  for (int j = 0; j < 4; ++j) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + 8 * j), inverse);
    q[j] = to_integers(_mm256_add_ps(scaled, _mm256_set1_ps(8.5f)), 0.0f, 15.0f);
  }
  const __m256i bytes = to_bytes(q);
  const __m128i high = _mm_slli_epi16(_mm256_extracti128_si256(bytes, 1), 4);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(block + 2),
                   _mm_or_si128(_mm256_castsi256_si128(bytes), high));
}

}  // namespace

void quantise(const QuantiseArgs& args, Range blocks) noexcept {
  const int64_t bytes = block_layout(args.type).bytes;
  for (int64_t b = blocks.begin; b < blocks.end; ++b) {
    uint8_t* block = static_cast<uint8_t*>(args.blocks) + b * bytes;
    args.type == BlockType::q8_0 ? q8_0(args.x + 32 * b, block) : q4_0(args.x + 32 * b, block);
  }
}

}  // namespace cadre::kernels::avx2
