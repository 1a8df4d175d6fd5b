#include "core/kernels/cpu/amx/finish.h"

#include <immintrin.h>

#include "core/kernels/cpu/amx/tiles.h"
#include "core/kernels/cpu/avx512/gemm_isa.h"

namespace cadre::kernels::amx {
namespace {

using avx512::F32x16;

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

const float* tile(const FinishArgs& args, int64_t left, int64_t right) {
  return reinterpret_cast<const float*>(args.sums + (left * args.right_tiles + right) * kTileBytes);
}

void write(float* to, F32x16 sum, int64_t count, const FinishArgs& args) {
  if (count < 16) {
    const F32x16::First part = F32x16::first(count);
    if (args.gemm->accumulate) sum = sum + F32x16::load(to, part);
    sum.store(to, part);
    return;
  }
  if (args.gemm->accumulate) sum = sum + F32x16::load(to, F32x16::All{});
  if (args.past_caches && reinterpret_cast<uintptr_t>(to) % 64 == 0) {
    _mm512_stream_ps(to, sum.lanes);
  } else {
    sum.store(to, F32x16::All{});
  }
}

void write(bf16* to, F32x16 sum, int64_t count, const FinishArgs& args) {
  const __mmask16 mask = count < 16 ? F32x16::first(count).mask : 0xffff;
  if (args.gemm->accumulate) {
    const __m512i old = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, to));
    sum = sum + F32x16{_mm512_castsi512_ps(_mm512_slli_epi32(old, 16))};
  }
  _mm256_mask_storeu_epi16(to, mask, (__m256i)_mm512_cvtneps_pbh(sum.lanes));
}

// Whole lines of two tiles: 32 columns.
bool write_line(bf16* to, const float* low, const float* high) {
  const __m512bh line = _mm512_cvtne2ps_pbh(_mm512_load_ps(high), _mm512_load_ps(low));
  _mm512_storeu_si512(to, (__m512i)line);
  return true;
}
bool write_line(float*, const float*, const float*) { return false; }

template <typename T>
void finish_rows(const FinishArgs& args) {
  const GemmArgs& g = *args.gemm;
  const int64_t rows = smaller(args.left_tiles * kTileWidth, g.m - args.first_left);
  const int64_t columns = g.n - args.first_right;
  const bool whole = args.right_tiles == 2 && columns >= 32 && !g.accumulate;
  T* to = static_cast<T*>(g.c) + args.first_left * g.c_stride + args.first_right;
  for (int64_t i = 0; i < rows; ++i, to += g.c_stride) {
    const int64_t in_tile = i % kTileWidth * 16;
    if (whole && write_line(to, tile(args, i / kTileWidth, 0) + in_tile,
                            tile(args, i / kTileWidth, 1) + in_tile)) {
      continue;
    }
    for (int64_t j = 0; j < args.right_tiles; ++j) {
      const float* from = tile(args, i / kTileWidth, j) + in_tile;
      write(to + j * kTileWidth, F32x16::load(from, F32x16::All{}), columns - j * kTileWidth, args);
    }
  }
}

template <typename T>
void finish_columns(const FinishArgs& args) {
  const GemmArgs& g = *args.gemm;
  for (int64_t j = 0; j < args.right_tiles; ++j) {
    const int64_t row = args.first_right + j * kTileWidth;
    const int64_t rows = smaller(kTileWidth, g.m - row);
    for (int64_t i = 0; i < args.left_tiles; ++i) {
      const int64_t column = args.first_left + i * kTileWidth;
      const float* from = tile(args, i, j);
      F32x16 x[16];
      avx512::GemmIsa::load_transposed(from, 16, x);
      T* to = static_cast<T*>(g.c) + row * g.c_stride + column;
      for (int64_t r = 0; r < rows; ++r) write(to + r * g.c_stride, x[r], g.n - column, args);
    }
  }
}

template <typename T>
void finish_as(const FinishArgs& args) {
  if (args.transposed) {
    finish_columns<T>(args);
  } else {
    finish_rows<T>(args);
  }
}

}  // namespace

void finish(const FinishArgs& args) noexcept {
  if (args.gemm->c_type == DType::f32) {
    finish_as<float>(args);
  } else {
    finish_as<bf16>(args);
  }
}

}  // namespace cadre::kernels::amx
