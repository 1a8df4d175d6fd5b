// Weights pass through the registers once for up to eight tokens; each quad of weights meets four
// activations of a token, broadcast from memory. vpdpbusd multiplies
// unsigned by signed bytes, so weights are taken as unsigned (int8 with the upper bit turned, that
// is plus 128) and the sums begin at -offset * sum of the activations: integers, so exact.
//
// For one token the loop is bound by memory; for eight by the two multipliers: 64 products of a
// group against 24 instructions that scale and add. Two tiles are read in turn, about 2 KiB of
// each: the processor fetches ahead in two pages at once, and what it has on its way grows by a
// fifth.
#include <immintrin.h>

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/avx512/quantised_weights.h"
#include "core/kernels/peak.h"
#include "core/kernels/quantised_gemm.h"

namespace cadre::kernels::avx512 {
namespace {

template <PackedFormat kFormat>
constexpr int32_t kUnsignedOffset = kFormat == PackedFormat::q8_0 ? 128 : packed_offset(kFormat);

// Steps of k with a scale of their own.
template <PackedFormat kFormat>
constexpr int64_t kScaleStep = kFormat == PackedFormat::q6_k ? 16 : 32;

template <PackedFormat kFormat>
WeightGroup load_unsigned(const std::byte* group) {
  WeightGroup w = load_group<kFormat>(group);
  if constexpr (kFormat == PackedFormat::q8_0) {
    const __m512i upper = _mm512_set1_epi8(-128);
    for (int j = 0; j < 8; ++j) w.quads[j] = _mm512_xor_si512(w.quads[j], upper);
  }
  return w;
}

// Asks for the share of a group in the lines of a block, header and all: the processor's own
// prefetching stops at each page and begins late. First into the second-level cache, which keeps
// more lines on their way than the first one does, then from there. Inlined early, for
// the compiler takes a function that does nothing else for one without effect, and drops its calls.
template <PackedFormat kFormat>
[[gnu::always_inline]] inline void prefetch_share(const std::byte* block, int64_t group) {
  constexpr int64_t kGroups = packed_block_size(kFormat) / kPackedGroup;
  constexpr int64_t kLines = (packed_block_bytes(kFormat) / kGroups + 63) / 64;
  const auto* share = reinterpret_cast<const char*>(block) + group * kLines * 64;
  for (int64_t line = 0; line < kLines; ++line) {
    _mm_prefetch(share + kReadFar + 64 * line, _MM_HINT_T1);
    _mm_prefetch(share + kReadNear + 64 * line, _MM_HINT_T0);
  }
}

__m512i broadcast_quad(const int8_t* x) {
  return _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(x));
}

// What a group, or half of one, of each token is multiplied by.
struct Activations {
  const int8_t* quants;   // [token][k]
  const int32_t* starts;  // [token][k / kStep], what sums begin at
  const float* scales;    // [token][k / 32]
  int64_t k;
};

// acc[t] += scale * (xs * dot) for each token t, the dot over quads [kBegin, kEnd). A quad of
// weights meets all tokens before the next one, so that as many sums are on their way at once.
template <PackedFormat kFormat, int kTokens, int kBegin, int kEnd>
[[gnu::always_inline]] inline void add_dots(__m512* acc, const WeightGroup& w, const Activations& x,
                                            __m512 scale) {
  __m512i dots[kTokens];
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
    dots[t] = _mm512_setzero_si512();
    if constexpr (kUnsignedOffset<kFormat> != 0) {
      dots[t] = _mm512_set1_epi32(x.starts[t * (x.k / kScaleStep<kFormat>)+kBegin / 4]);
    }
  }
#pragma GCC unroll 8
  for (int j = kBegin; j < kEnd; ++j) {
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) {
      dots[t] =
          _mm512_dpbusd_epi32(dots[t], w.quads[j], broadcast_quad(x.quants + t * x.k + 4 * j));
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
    const __m512 xs = _mm512_set1_ps(x.scales[t * (x.k / kPackedGroup)]);
    acc[t] = _mm512_fmadd_ps(scale, _mm512_mul_ps(xs, _mm512_cvtepi32_ps(dots[t])), acc[t]);
  }
}

// Groups of a tile, about kReadTurn bytes, that are read before it is another tile's turn; whole
// halves of blocks.
template <PackedFormat kFormat>
constexpr int64_t kTurn = kFormat == PackedFormat::q4_0 ? 7 : 4;

// Adds groups [begin, end) of a tile, times rows [t0, t0 + kTokens) of x, to sums [kTokens, 16].
template <PackedFormat kFormat, int kTokens>
void add_groups(const QuantisedGemmArgs& args, const std::byte* tile, int64_t t0, Range groups,
                float* sums) {
  constexpr int64_t kSteps = kPackedGroup / kScaleStep<kFormat>;
  constexpr int64_t kGroups = packed_block_size(kFormat) / kPackedGroup;
  constexpr int64_t kInner = kGroups < kTurn<kFormat> ? kGroups : kTurn<kFormat>;
  const int64_t x_groups = args.k / kPackedGroup;
  const int64_t x_at = t0 * x_groups + groups.begin;
  Activations x = {args.x.quants + t0 * args.k + groups.begin * kPackedGroup,
                   reinterpret_cast<const int32_t*>(args.scratch) + x_at * kSteps,
                   args.x.scales + x_at, args.k};
  const float* x_minimums = args.x.x_minimums + x_at;
  __m512 acc[kTokens];
  for (int t = 0; t < kTokens; ++t) acc[t] = _mm512_load_ps(sums + 16 * t);
  const bool from_memory = t0 == 0;  // later passes find the tile in a cache
  for (int64_t first = groups.begin; first < groups.end; first += kInner) {
    const std::byte* block = tile + first / kGroups * packed_block_bytes(kFormat);
    const __m512 d = load_halves(block);
    [[maybe_unused]] __m512 dmin = d;
    if constexpr (packed_has_minimum(kFormat)) dmin = load_halves(block + 32);
    for (int64_t i = 0; i < kInner; ++i) {
      const int64_t g = first % kGroups + i;
      if (from_memory) prefetch_share<kFormat>(block, g);
      const WeightGroup w = load_unsigned<kFormat>(block + packed_header_bytes(kFormat) +
                                                   g * packed_group_bytes(kFormat));
      if constexpr (kFormat == PackedFormat::q6_k) {
        add_dots<kFormat, kTokens, 0, 4>(acc, w, x, group_scale<kFormat>(block, d, 2 * g));
        add_dots<kFormat, kTokens, 4, 8>(acc, w, x, group_scale<kFormat>(block, d, 2 * g + 1));
      } else {
        add_dots<kFormat, kTokens, 0, 8>(acc, w, x, group_scale<kFormat>(block, d, g));
      }
      if constexpr (packed_has_minimum(kFormat)) {
        const __m512 minimum = group_minimum(block, dmin, g);
        for (int t = 0; t < kTokens; ++t) {
          const float x_minimum = x_minimums[t * x_groups];
          acc[t] = _mm512_fmadd_ps(minimum, _mm512_set1_ps(x_minimum), acc[t]);
        }
      }
      x.quants += kPackedGroup;
      x.starts += kSteps;
      x.scales += 1;
      x_minimums += 1;
    }
  }
  for (int t = 0; t < kTokens; ++t) _mm512_store_ps(sums + 16 * t, acc[t]);
}

// Tiles that are read in turn, in `count` streams: tile `first` and those `apart`, 2 * `apart` ..
// behind it.
struct Streams {
  int64_t first;
  int64_t apart;
  int64_t count;
};
constexpr int64_t kMostStreams = 2;

// kTokens rows of x against the tiles.
template <PackedFormat kFormat, int kTokens>
void multiply_tiles(const QuantisedGemmArgs& args, const Streams& streams, int64_t t0) {
  const int64_t tile_bytes = packed_tile_bytes(kFormat, args.k);
  const int64_t x_groups = args.k / kPackedGroup;
  const int64_t turn = streams.count == 1 ? x_groups : kTurn<kFormat>;
  alignas(64) float sums[kMostStreams][kTokens * kPackedRows] = {};
  for (int64_t g = 0; g < x_groups; g += turn) {
    const Range groups = {g, g + turn < x_groups ? g + turn : x_groups};
    for (int64_t s = 0; s < streams.count; ++s) {
      const std::byte* tile = args.tiles + (streams.first + s * streams.apart) * tile_bytes;
      add_groups<kFormat, kTokens>(args, tile, t0, groups, sums[s]);
    }
  }
  for (int64_t s = 0; s < streams.count; ++s) {
    const int64_t r = (streams.first + s * streams.apart) * kPackedRows;
    const int64_t columns = args.n - r;
    const __mmask16 mask = columns >= 16 ? 0xffff : static_cast<__mmask16>((1u << columns) - 1);
    for (int t = 0; t < kTokens; ++t) {
      _mm512_mask_storeu_ps(args.y + (t0 + t) * args.y_stride + r, mask,
                            _mm512_load_ps(sums[s] + 16 * t));
    }
  }
}

// The last rows of x, at most kMost of them, in one pass over the tiles: in a second one, which
// finds them in a cache, memory would be idle.
template <PackedFormat kFormat, int kMost>
void multiply_last(const QuantisedGemmArgs& args, const Streams& streams, int64_t t) {
  if constexpr (kMost > 1) {
    if (args.m - t < kMost) return multiply_last<kFormat, kMost - 1>(args, streams, t);
  }
  multiply_tiles<kFormat, kMost>(args, streams, t);
}

// What each sum begins at, [token][k / kScaleStep], into scratch.
template <PackedFormat kFormat>
void write_starts(const QuantisedGemmArgs& args) {
  if constexpr (kUnsignedOffset<kFormat> == 0) return;
  auto* starts = reinterpret_cast<int32_t*>(args.scratch);
  const int64_t count = args.m * (args.k / kScaleStep<kFormat>);
  const int32_t* sums = args.x.sums;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t sum = kScaleStep<kFormat> == 16 ? sums[i] : sums[2 * i] + sums[2 * i + 1];
    starts[i] = -kUnsignedOffset<kFormat> * sum;
  }
}

template <PackedFormat kFormat>
void run_chunk(const QuantisedGemmArgs& args) {
  write_starts<kFormat>(args);
  const int64_t tiles = packed_tiles(args.n);
  const int64_t apart = (tiles + kMostStreams - 1) / kMostStreams;
  for (int64_t i = 0; i < apart; ++i) {
    const Streams streams = {i, apart, (tiles - i + apart - 1) / apart};
    int64_t t = 0;
    for (; args.m - t > 8; t += 8) multiply_tiles<kFormat, 8>(args, streams, t);
    if (t < args.m) multiply_last<kFormat, 8>(args, streams, t);
  }
}

// As many tokens at a time as scratch has room for their starts.
template <PackedFormat kFormat>
void run(const QuantisedGemmArgs& args) {
  constexpr int64_t kStartsBytes = 512 << 10;
  constexpr int64_t kFewest = 64;
  const int64_t fit = kStartsBytes / 4 / (args.k / kScaleStep<kFormat>) / 8 * 8;
  const int64_t chunk = fit < kFewest ? kFewest : fit;
  for (int64_t t = 0; t < args.m; t += chunk) {
    run_chunk<kFormat>(args.of_tokens(t, t + chunk < args.m ? t + chunk : args.m));
  }
}

}  // namespace

void quantised_gemm_vnni(const QuantisedGemmArgs& args) noexcept {
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

}  // namespace cadre::kernels::avx512
