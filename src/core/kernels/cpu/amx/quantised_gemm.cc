// A tile of 16 rows of weights is unpacked once to signed bytes, which the multiplier takes as they
// lie, and meets the tokens 16 at a time. Scales change every 32 steps of k (16 for q6_k), so the
// sums of a group leave the tile registers at once: 16 tokens by 16 rows in integers, scaled and
// added in vector registers while the multiplier does the next groups. That costs three
// instructions for every 16 x 32 products and bounds the loop, at several times what vpdpbusd can
// do.
//
// Fewer tokens than make a tile worthwhile go to the VNNI loop; both give the same bits.
#include "core/kernels/quantised_gemm.h"

#include <immintrin.h>

#include "core/kernels/cpu/amx/kernels.h"
#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/avx512/quantised_weights.h"

namespace cadre::kernels::amx {
namespace {

constexpr int64_t kTokens = 16;

struct TileConfiguration {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// Registers 0-3: sums, 16 tokens x 16 rows of int32. 4 and 5: activations, 16 tokens x depth bytes.
// 6 and 7: weights, depth / 4 quads of 64 bytes.
void configure_tiles(int64_t depth) {
  alignas(64) TileConfiguration c = {};
  c.palette = 1;
  for (int i = 0; i < 4; ++i) c.rows[i] = 16, c.row_bytes[i] = 64;
  for (int i = 4; i < 6; ++i) c.rows[i] = 16, c.row_bytes[i] = static_cast<uint16_t>(depth);
  for (int i = 6; i < 8; ++i) c.rows[i] = static_cast<uint8_t>(depth / 4), c.row_bytes[i] = 64;
  asm volatile("ldtilecfg %0" : : "m"(c));
}

void release_tiles() { asm volatile("tilerelease"); }

template <int kTile>
inline void load_tile(const void* from, int64_t stride) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0" : : "i"(kTile), "r"(from), "r"(stride) : "memory");
}

// Sums of one group into `to`, [16 tokens, 16 rows].
template <int kSum, int kX, int kW>
inline void multiply_group(const std::byte* x, const std::byte* w, int32_t* to) {
  asm volatile("tilezero %%tmm%c0" : : "i"(kSum));
  load_tile<kX>(x, 32);
  load_tile<kW>(w, 64);
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kX), "i"(kW));
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)"
               :
               : "i"(kSum), "r"(to), "r"(int64_t{64})
               : "memory");
}

// One tile of weights as the loop takes it.
struct Unpacked {
  std::byte* quants;  // [k / 32][8][64] int8
  float* scales;      // [groups][16]
  float* minimums;    // [k / 32][16]
};

// Unpacks groups [begin, end) of 32, whole blocks of them.
template <PackedFormat kFormat>
void unpack_groups(const std::byte* tile, int64_t begin, int64_t end, const Unpacked& to) {
  constexpr int64_t kGroups = packed_block_size(kFormat) / kPackedGroup;
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(packed_offset(kFormat)));
  const std::byte* block = tile + begin / kGroups * packed_block_bytes(kFormat);
  for (int64_t first = 0; first < end - begin; first += kGroups) {
    const __m512 d = avx512::load_halves(block);
    const std::byte* quants = block + packed_header_bytes(kFormat);
    for (int64_t g = 0; g < kGroups; ++g, quants += packed_group_bytes(kFormat)) {
      const avx512::WeightGroup w = avx512::load_group<kFormat>(quants);
      const int64_t group = first + g;
      for (int j = 0; j < 8; ++j) {
        __m512i quad = w.quads[j];
        if constexpr (packed_offset(kFormat) != 0) quad = _mm512_sub_epi8(quad, offset);
        _mm512_store_si512(to.quants + group * 512 + 64 * j, quad);
      }
      if constexpr (kFormat == PackedFormat::q6_k) {
        for (int64_t h = 2 * g; h < 2 * g + 2; ++h) {
          _mm512_store_ps(to.scales + (2 * first + h) * 16,
                          avx512::group_scale<kFormat>(block, d, h));
        }
      } else {
        _mm512_store_ps(to.scales + group * 16, avx512::group_scale<kFormat>(block, d, g));
      }
      if constexpr (packed_has_minimum(kFormat)) {
        _mm512_store_ps(to.minimums + group * 16,
                        avx512::group_minimum(block, avx512::load_halves(block + 32), g));
      }
    }
    block += packed_block_bytes(kFormat);
  }
}

// Activations in the order in which the loop takes them: tile after tile of 16 tokens, in each the
// groups of 32, in each the tokens. Rows of the original, 16 of them far apart, would fall into few
// sets of the cache. Tokens beyond the last are zero.
struct TokenTiles {
  std::byte* quants;  // [k / 32][16 tokens][32]
  float* scales;      // [k / 32][16 tokens]
  float* minimums;    // [k / 32][16 tokens]
};

void pack_quants(const int8_t* from, int64_t groups, int64_t tokens, std::byte* to) {
  for (int64_t t0 = 0; t0 < tokens; t0 += kTokens) {
    std::byte* tile = to + t0 * groups * 32;
    for (int64_t t = 0; t < kTokens; ++t) {
      const int8_t* row = from + (t0 + t) * groups * 32;
      for (int64_t g = 0; g < groups; ++g) {
        const __m256i x = t0 + t < tokens
                              ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + 32 * g))
                              : _mm256_setzero_si256();
        _mm256_store_si256(reinterpret_cast<__m256i*>(tile + (g * kTokens + t) * 32), x);
      }
    }
  }
}

void transpose(const float* from, int64_t groups, int64_t tokens, float* to) {
  for (int64_t t0 = 0; t0 < tokens; t0 += kTokens) {
    const int64_t count = tokens - t0 < kTokens ? tokens - t0 : kTokens;
    float* tile = to + t0 * groups;
    for (int64_t t = 0; t < kTokens; ++t) {
      const float* row = from + (t0 + t) * groups;
      for (int64_t g = 0; g < groups; ++g) tile[g * kTokens + t] = t < count ? row[g] : 0.0f;
    }
  }
}

// Weights that will be unpacked next, fetched some lines at a time while others are multiplied: the
// processor's own prefetching stops at each page.
struct Upcoming {
  const std::byte* at;
  int64_t lines;  // for each step of k

  void fetch() {
    for (int64_t i = 0; i < lines; ++i, at += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
    }
  }
};

// Adds `count` groups of 32 of 16 tokens to sums, [16 tokens, 16 rows].
template <PackedFormat kFormat>
void multiply_tokens(const Unpacked& w, const TokenTiles& xs, int64_t count, int32_t* dots_of,
                     float* sums, Upcoming& upcoming) {
  // Steps of k with a scale of their own, and how many of them share an activation scale.
  constexpr int64_t kDepth = kFormat == PackedFormat::q6_k ? 16 : 32;
  constexpr int64_t kShare = 32 / kDepth;
  const int64_t groups = count * kShare;
  __m512 acc[kTokens];
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) acc[t] = _mm512_load_ps(sums + 16 * t);
  // The multiplier runs two groups ahead of the vectors.
  for (int64_t g = 0; g < groups + 2; ++g) {
    if (g < groups) {
      const std::byte* xg = xs.quants + g / kShare * 512 + g % kShare * kDepth;
      const std::byte* wg = w.quants + g * kDepth * 16;
      switch (g & 3) {
        case 0:
          multiply_group<0, 4, 6>(xg, wg, dots_of);
          break;
        case 1:
          multiply_group<1, 5, 7>(xg, wg, dots_of + 256);
          break;
        case 2:
          multiply_group<2, 4, 6>(xg, wg, dots_of + 512);
          break;
        default:
          multiply_group<3, 5, 7>(xg, wg, dots_of + 768);
      }
    }
    if (g < 2) continue;
    upcoming.fetch();
    const int64_t done = g - 2;
    const int32_t* dots = dots_of + (done & 3) * 256;
    const __m512 scale = _mm512_load_ps(w.scales + done * 16);
    const float* xg = xs.scales + done / kShare * kTokens;
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) {
      const __m512 dot = _mm512_cvtepi32_ps(_mm512_load_si512(dots + 16 * t));
      acc[t] = _mm512_fmadd_ps(scale, _mm512_mul_ps(_mm512_set1_ps(xg[t]), dot), acc[t]);
    }
    if constexpr (packed_has_minimum(kFormat)) {
      const __m512 minimum = _mm512_load_ps(w.minimums + done * 16);
      const float* xm = xs.minimums + done * kTokens;
#pragma GCC unroll 16
      for (int t = 0; t < kTokens; ++t) {
        acc[t] = _mm512_fmadd_ps(minimum, _mm512_set1_ps(xm[t]), acc[t]);
      }
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) _mm512_store_ps(sums + 16 * t, acc[t]);
}

// A multiple of 16 tokens, or fewer, at a time: their activations stay in the second-level cache
// while all tiles of weights pass.
constexpr int64_t kChunkBytes = 512 << 10;
// Groups unpacked at a time, to stay in the first-level cache while all tokens pass.
constexpr int64_t kChunkGroups = 16;

// As many groups behind [begin, begin + count), of this tile or the next.
template <PackedFormat kFormat>
Upcoming after(const std::byte* tile, int64_t begin, int64_t count, int64_t tokens) {
  constexpr int64_t kGroups = packed_block_size(kFormat) / kPackedGroup;
  constexpr int64_t kSteps = kFormat == PackedFormat::q6_k ? 2 : 1;  // of k in a group
  const int64_t bytes = count / kGroups * packed_block_bytes(kFormat);
  const int64_t steps = tokens / kTokens * count * kSteps;
  const std::byte* from = tile + (begin + count) / kGroups * packed_block_bytes(kFormat);
  return {from, (bytes + 64 * steps - 1) / (64 * steps)};
}

template <PackedFormat kFormat>
void run_chunk(const QuantisedGemmArgs& args) {
  const int64_t k = args.k;
  const int64_t x_groups = k / kPackedGroup;
  std::byte* scratch = args.scratch;
  const auto take = [&](int64_t bytes) {
    std::byte* at = scratch;
    scratch += (bytes + 63) / 64 * 64;
    return at;
  };
  auto* dots = reinterpret_cast<int32_t*>(take(4 * 1024));
  Unpacked w;
  w.quants = take(kChunkGroups * 512);
  w.scales = reinterpret_cast<float*>(take(kChunkGroups * 128));
  w.minimums = reinterpret_cast<float*>(take(kChunkGroups * 64));
  const int64_t rows = (args.m + kTokens - 1) / kTokens * kTokens;
  TokenTiles xs;
  xs.quants = take(rows * k);
  xs.scales = reinterpret_cast<float*>(take(rows * x_groups * 4));
  xs.minimums = reinterpret_cast<float*>(take(rows * x_groups * 4));
  pack_quants(args.x.quants, x_groups, args.m, xs.quants);
  transpose(args.x.scales, x_groups, args.m, xs.scales);
  if constexpr (packed_has_minimum(kFormat)) {
    transpose(args.x.x_minimums, x_groups, args.m, xs.minimums);
  }
  auto* sums = reinterpret_cast<float*>(take(rows * 64));
  for (int64_t r = 0; r < args.n; r += kPackedRows) {
    const std::byte* tile = args.tiles + r / kPackedRows * packed_tile_bytes(kFormat, k);
    __builtin_memset(sums, 0, static_cast<size_t>(rows * 64));
    for (int64_t g = 0; g < x_groups; g += kChunkGroups) {
      const int64_t count = x_groups - g < kChunkGroups ? x_groups - g : kChunkGroups;
      unpack_groups<kFormat>(tile, g, g + count, w);
      Upcoming upcoming = after<kFormat>(tile, g, count, rows);
      for (int64_t t = 0; t < rows; t += kTokens) {
        const TokenTiles at = {xs.quants + t * k + g * 512, xs.scales + t * x_groups + g * kTokens,
                               xs.minimums + t * x_groups + g * kTokens};
        multiply_tokens<kFormat>(w, at, count, dots, sums + 16 * t, upcoming);
      }
    }
    const int64_t columns = args.n - r;
    const __mmask16 mask = columns >= 16 ? 0xffff : static_cast<__mmask16>((1u << columns) - 1);
    for (int64_t t = 0; t < args.m; ++t) {
      _mm512_mask_storeu_ps(args.y + t * args.y_stride + r, mask, _mm512_load_ps(sums + 16 * t));
    }
  }
}

template <PackedFormat kFormat>
void run(const QuantisedGemmArgs& args) {
  const int64_t chunk = kChunkBytes / args.k < kTokens ? kTokens : kChunkBytes / args.k / 16 * 16;
  const int64_t rest = args.m % kTokens;
  const int64_t in_tiles = rest >= args.tile_tokens ? args.m : args.m - rest;
  configure_tiles(kFormat == PackedFormat::q6_k ? 16 : 32);
  for (int64_t t = 0; t < in_tiles; t += chunk) {
    run_chunk<kFormat>(args.of_tokens(t, t + chunk < in_tiles ? t + chunk : in_tiles));
  }
  release_tiles();
  if (in_tiles < args.m) avx512::quantised_gemm_vnni(args.of_tokens(in_tiles, args.m));
}

}  // namespace

void quantised_gemm(const QuantisedGemmArgs& args) noexcept {
  if (args.m < args.tile_tokens && args.m < kTokens) return avx512::quantised_gemm_vnni(args);
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

}  // namespace cadre::kernels::amx
