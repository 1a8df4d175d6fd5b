// The 16 rows of a tile are two registers of 8. vpmaddubsw adds pairs of products in 16 bits, which
// holds as many quads as their largest values allow (int8 weights give their sign to the
// activation first); vpmaddwd widens the sums.
#include "core/kernels/quantised_gemm.h"

#include <immintrin.h>

#include "core/kernels/cpu/avx2/kernels.h"

namespace cadre::kernels::avx2 {
namespace {

__m256i load(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

// Quads of 8 rows, rows 8 half to 8 half + 7; quants as stored, without the offset.
struct WeightGroup {
  __m256i quads[8];
};

template <PackedFormat kFormat>
WeightGroup load_group(const std::byte* group, int half) {
  WeightGroup w;
  const std::byte* at = group + 32 * half;
  if constexpr (kFormat == PackedFormat::q8_0) {
    for (int j = 0; j < 8; ++j) w.quads[j] = load(at + 64 * j);
    return w;
  }
  const __m256i low = _mm256_set1_epi8(15);
  for (int j = 0; j < 4; ++j) {
    const __m256i pair = load(at + 64 * j);
    w.quads[j] = _mm256_and_si256(pair, low);
    w.quads[j + 4] = _mm256_and_si256(_mm256_srli_epi16(pair, 4), low);
  }
  if constexpr (kFormat == PackedFormat::q5_k) {
    const __m256i fifth = load(at + 256);
    for (int j = 0; j < 8; ++j) {
      const __m256i bits =
          j < 4 ? _mm256_slli_epi16(fifth, 4 - j) : _mm256_srli_epi16(fifth, j - 4);
      w.quads[j] = _mm256_or_si256(w.quads[j], _mm256_and_si256(bits, _mm256_set1_epi8(16)));
    }
  }
  if constexpr (kFormat == PackedFormat::q6_k) {
    for (int j = 0; j < 8; ++j) {
      const __m256i upper = load(at + 256 + 64 * (j / 4));
      const int shift = 2 * (j % 4);
      const __m256i bits =
          shift < 4 ? _mm256_slli_epi16(upper, 4 - shift) : _mm256_srli_epi16(upper, shift - 4);
      w.quads[j] = _mm256_or_si256(w.quads[j], _mm256_and_si256(bits, _mm256_set1_epi8(48)));
    }
  }
  return w;
}

__m256i broadcast_quad(const int8_t* x) {
  return _mm256_set1_epi32(*reinterpret_cast<const int32_t*>(x));
}

// Quads whose 16-bit sums cannot overflow: 2 * 127 * largest quant each, below 32768 together.
template <PackedFormat kFormat>
constexpr int kQuadsInWords = kFormat == PackedFormat::q8_0   ? 1
                              : kFormat == PackedFormat::q6_k ? 2
                              : kFormat == PackedFormat::q5_k ? 4
                                                              : 8;

// Exact sums of quads [kBegin, kEnd) of 8 rows, less offset * x_sum.
template <PackedFormat kFormat, int kBegin, int kEnd>
__m256i dot(const WeightGroup& w, const int8_t* x, int32_t x_sum) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_set1_epi32(-packed_offset(kFormat) * x_sum);
  constexpr int kStep = kQuadsInWords<kFormat>;
  for (int j = kBegin; j < kEnd; j += kStep) {
    __m256i words = _mm256_setzero_si256();
    for (int i = j; i < j + kStep && i < kEnd; ++i) {
      __m256i left = w.quads[i];
      __m256i right = broadcast_quad(x + 4 * i);
      if constexpr (kFormat == PackedFormat::q8_0) {
        right = _mm256_sign_epi8(right, left);
        left = _mm256_abs_epi8(left);
      }
      words = _mm256_add_epi16(words, _mm256_maddubs_epi16(left, right));
    }
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(words, ones));
  }
  return sum;
}

__m256 load_halves(const std::byte* at) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

__m256 unsigned_bytes(const std::byte* at) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))));
}

__m256 signed_bytes(const std::byte* at) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))));
}

inline __m256 add_dot(__m256 acc, __m256i sum, float xs, __m256 scale) {
  return _mm256_fmadd_ps(scale, _mm256_mul_ps(_mm256_set1_ps(xs), _mm256_cvtepi32_ps(sum)), acc);
}

// kTokens rows of x against 8 rows of a tile.
template <PackedFormat kFormat, int kTokens>
void multiply_half(const QuantisedGemmArgs& args, const std::byte* tile, int64_t t0, int64_t r0,
                   int half) {
  constexpr int64_t kGroups = packed_block_size(kFormat) / kPackedGroup;
  const int64_t x_groups = args.k / kPackedGroup;
  const int64_t x0 = t0 * x_groups;
  __m256 acc[kTokens];
  for (int t = 0; t < kTokens; ++t) acc[t] = _mm256_setzero_ps();
  const std::byte* block = tile;
  for (int64_t first = 0; first < x_groups; first += kGroups) {
    const __m256 d = load_halves(block + 16 * half);
    const std::byte* quants = block + packed_header_bytes(kFormat);
    for (int64_t g = 0; g < kGroups; ++g, quants += packed_group_bytes(kFormat)) {
      const WeightGroup w = load_group<kFormat>(quants, half);
      for (int t = 0; t < kTokens; ++t) {
        const int64_t at = x0 + t * x_groups + first + g;
        const int8_t* x = args.x.quants + at * kPackedGroup;
        const int32_t* sums = args.x.sums + 2 * at;
        const float xs = args.x.scales[at];
        if constexpr (kFormat == PackedFormat::q6_k) {
          const std::byte* scales = block + 32 + 32 * g + 8 * half;
          acc[t] = add_dot(acc[t], dot<kFormat, 0, 4>(w, x, sums[0]), xs,
                           _mm256_mul_ps(d, signed_bytes(scales)));
          acc[t] = add_dot(acc[t], dot<kFormat, 4, 8>(w, x, sums[1]), xs,
                           _mm256_mul_ps(d, signed_bytes(scales + 16)));
        } else {
          __m256 scale = d;
          const std::byte* scales = block + 64 + 16 * g + 8 * half;
          if constexpr (packed_has_minimum(kFormat)) {
            scale = _mm256_mul_ps(d, unsigned_bytes(scales));
          }
          acc[t] = add_dot(acc[t], dot<kFormat, 0, 8>(w, x, sums[0] + sums[1]), xs, scale);
          if constexpr (packed_has_minimum(kFormat)) {
            const __m256 minimum =
                _mm256_mul_ps(load_halves(block + 32 + 16 * half), unsigned_bytes(scales + 128));
            acc[t] = _mm256_fmadd_ps(minimum, _mm256_set1_ps(args.x.x_minimums[at]), acc[t]);
          }
        }
      }
    }
    block += packed_block_bytes(kFormat);
  }
  const int64_t column = r0 + 8 * half;
  for (int t = 0; t < kTokens; ++t) {
    float* y = args.y + (t0 + t) * args.y_stride + column;
    if (column + 8 <= args.n) {
      _mm256_storeu_ps(y, acc[t]);
    } else {
      alignas(32) float values[8];
      _mm256_store_ps(values, acc[t]);
      for (int64_t i = 0; column + i < args.n; ++i) y[i] = values[i];
    }
  }
}

template <PackedFormat kFormat, int kTokens>
void multiply_tile(const QuantisedGemmArgs& args, const std::byte* tile, int64_t t0, int64_t r0) {
  multiply_half<kFormat, kTokens>(args, tile, t0, r0, 0);
  if (r0 + 8 < args.n) multiply_half<kFormat, kTokens>(args, tile, t0, r0, 1);
}

template <PackedFormat kFormat>
void run(const QuantisedGemmArgs& args) {
  for (int64_t r = 0; r < args.n; r += kPackedRows) {
    const std::byte* tile = args.tiles + r / kPackedRows * packed_tile_bytes(kFormat, args.k);
    int64_t t = 0;
    for (; t + 4 <= args.m; t += 4) multiply_tile<kFormat, 4>(args, tile, t, r);
    for (; t < args.m; ++t) multiply_tile<kFormat, 1>(args, tile, t, r);
  }
}

}  // namespace

void quantised_gemm(const QuantisedGemmArgs& args) noexcept {
  switch (args.format) {
    case PackedFormat::q8_0:
      return run<PackedFormat::q8_0>(args);
    case PackedFormat::q4_0:
      return run<PackedFormat::q4_0>(args);
    case PackedFormat::q4_k:
      return run<PackedFormat::q4_k>(args);
    case PackedFormat::q5_k:
      return run<PackedFormat::q5_k>(args);
    case PackedFormat::q6_k:
      return run<PackedFormat::q6_k>(args);
  }
}

}  // namespace cadre::kernels::avx2
