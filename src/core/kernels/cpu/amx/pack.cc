#include "core/kernels/cpu/amx/pack.h"

#include <immintrin.h>

#include "core/kernels/cpu/avx512/gemm_isa.h"

namespace cadre::kernels::amx {
namespace {

using avx512::F32x16;

// `count` elements from p, then zeros, up to 32.
__m512i load(const bf16* p, int64_t count) {
  if (count >= 32) return _mm512_loadu_si512(p);
  if (count <= 0) return _mm512_setzero_si512();
  return _mm512_maskz_loadu_epi16((1u << count) - 1, p);
}

// Asks for memory that is packed a little later; past the factor this is harmless. Into the
// second-level cache, for the first is full of what is being multiplied.
void ask_for(const bf16* p) { __builtin_prefetch(p, 0, 2); }

void store(std::byte* to, __m512i x) { _mm512_store_si512(to, x); }

// Pairs (p, p + 1) of up to 32 lanes: the first 16 in low, the others in high.
struct Pairs {
  __m512i low, high;
};
Pairs load_pairs(const bf16* p, int64_t stride, int64_t lanes, int64_t depth) {
  const __m512i first = load(p, depth > 0 ? lanes : 0);
  const __m512i second = load(p + stride, depth > 1 ? lanes : 0);
  const __m512i low_order =
      _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                       37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i high_order = _mm512_add_epi16(low_order, _mm512_set1_epi16(16));
  return {_mm512_permutex2var_epi16(first, low_order, second),
          _mm512_permutex2var_epi16(first, high_order, second)};
}

// The part of a factor that one tile holds: its first element, and how much of it there is.
struct Source {
  const bf16* from;
  int64_t stride;
  int64_t lanes;
  int64_t depth;
};

// Left: rows as they lie.
void copy_rows(const Source& x, std::byte* to) {
  if (x.lanes >= kTileWidth && x.depth >= kTileDepth) {
#pragma GCC unroll 16
    for (int64_t row = 0; row < kTileWidth; ++row) {
      store(to + row * 64, _mm512_loadu_si512(x.from + row * x.stride));
    }
    return;
  }
  for (int64_t row = 0; row < kTileWidth; ++row) {
    store(to + row * 64, load(x.from + row * x.stride, row < x.lanes ? x.depth : 0));
  }
}

// Right, from rows of k: pairs of k become rows.
void transpose_rows(const Source& x, std::byte* to) {
  F32x16 columns[16];
  if (x.lanes >= kTileWidth && x.depth >= kTileDepth && x.stride % 2 == 0) {
    avx512::GemmIsa::load_transposed(reinterpret_cast<const float*>(x.from), x.stride / 2, columns);
  } else {
#pragma GCC unroll 16
    for (int64_t row = 0; row < 16; ++row) {
      columns[row].lanes =
          _mm512_castsi512_ps(load(x.from + row * x.stride, row < x.lanes ? x.depth : 0));
    }
    avx512::GemmIsa::transpose(columns);
  }
#pragma GCC unroll 16
  for (int64_t row = 0; row < 16; ++row) {
    store(to + row * 64, _mm512_castps_si512(columns[row].lanes));
  }
}

// Right, from rows of lanes, one tile or two side by side: pairs of rows are woven together.
void interleave(const Source& x, bool two, std::byte* to) {
  for (int64_t pair = 0; pair < 16; ++pair) {
    const bf16* from = x.from + 2 * pair * x.stride;
    ask_for(from + kTileDepth * x.stride);
    ask_for(from + (kTileDepth + 1) * x.stride);
    const Pairs p = load_pairs(from, x.stride, x.lanes, x.depth - 2 * pair);
    store(to + pair * 64, p.low);
    if (two) store(to + kTileBytes + pair * 64, p.high);
  }
}

// Left, from rows of lanes, one tile or two side by side. Unpacking weaves pairs within quarters of
// a register, which leaves the lanes in another order: in low, register lane c holds lane
// 8 * (c / 4) + c % 4 of the factor, in high the one 4 further. As lanes become rows, the order is
// put right by where each row is stored.
void transpose_interleaved(const Source& x, bool two, std::byte* to) {
  F32x16 low[16], high[16];
#pragma GCC unroll 16
  for (int64_t pair = 0; pair < 16; ++pair) {
    const bf16* from = x.from + 2 * pair * x.stride;
    const int64_t depth = x.depth - 2 * pair;
    ask_for(from + kTileDepth * x.stride);
    ask_for(from + (kTileDepth + 1) * x.stride);
    const __m512i first = load(from, depth > 0 ? x.lanes : 0);
    const __m512i second = load(from + x.stride, depth > 1 ? x.lanes : 0);
    low[pair].lanes = _mm512_castsi512_ps(_mm512_unpacklo_epi16(first, second));
    high[pair].lanes = _mm512_castsi512_ps(_mm512_unpackhi_epi16(first, second));
  }
  const auto row_of = [to](int64_t lane) { return to + (lane / 16 * kTileBytes + lane % 16 * 64); };
  const int64_t count = two ? 16 : 8;
  avx512::GemmIsa::transpose(low);
  for (int64_t c = 0; c < count; ++c) {
    store(row_of(8 * (c / 4) + c % 4), _mm512_castps_si512(low[c].lanes));
  }
  avx512::GemmIsa::transpose(high);
  for (int64_t c = 0; c < count; ++c) {
    store(row_of(8 * (c / 4) + 4 + c % 4), _mm512_castps_si512(high[c].lanes));
  }
}

}  // namespace

Packer::Packer(const Panel& panel) noexcept : panel_(panel), steps_(panel.steps()), pieces_(0) {
  if (panel.begin >= panel.end) return;
  const int64_t tiles = (panel.end - panel.begin + kTileWidth - 1) / kTileWidth;
  pieces_ = panel.factor.k_contiguous ? tiles * steps_ : steps_;
  group_ = group_at(panel.begin, panel.end, panel.left);
  to_ = panel.to;
}

void Packer::advance() noexcept {
  if (done_ == pieces_) return;
  if (panel_.factor.k_contiguous) {
    pack_tile();
  } else {
    pack_step(done_);
  }
  ++done_;
}

void Packer::finish() noexcept {
  while (done_ < pieces_) advance();
}

void Packer::pack_tile() {
  const Factor& f = panel_.factor;
  const int64_t lane = group_.first + tile_ * kTileWidth;
  const int64_t p = panel_.k_begin + step_ * kTileDepth;
  const Source source = {f.data + lane * f.stride + p, f.stride, panel_.end - lane,
                         panel_.k_end - p};
  std::byte* to = to_ + (step_ * group_.tiles + tile_) * kTileBytes;
  const bf16* next_group = source.from + group_.tiles * kTileWidth * f.stride;
#pragma GCC unroll 16
  for (int64_t row = 0; row < kTileWidth; ++row) ask_for(next_group + row * f.stride);
  if (panel_.left) {
    copy_rows(source, to);
  } else {
    transpose_rows(source, to);
  }
  if (++step_ < steps_) return;
  step_ = 0;
  if (++tile_ < group_.tiles) return;
  tile_ = 0;
  to_ += steps_ * group_.tiles * kTileBytes;
  group_ = group_at(group_.first + group_.tiles * kTileWidth, panel_.end, panel_.left);
}

void Packer::pack_step(int64_t step) {
  const Factor& f = panel_.factor;
  const int64_t p = panel_.k_begin + step * kTileDepth;
  std::byte* group_to = panel_.to;
  for (int64_t lane = panel_.begin; lane < panel_.end;) {
    const Group group = group_at(lane, panel_.end, panel_.left);
    std::byte* to = group_to + step * group.tiles * kTileBytes;
    for (int64_t t = 0; t < group.tiles; t += 2) {
      const int64_t first = lane + t * kTileWidth;
      const Source source = {f.data + p * f.stride + first, f.stride, panel_.end - first,
                             panel_.k_end - p};
      if (panel_.left) {
        transpose_interleaved(source, t + 1 < group.tiles, to + t * kTileBytes);
      } else {
        interleave(source, t + 1 < group.tiles, to + t * kTileBytes);
      }
    }
    group_to += steps_ * group.tiles * kTileBytes;
    lane += group.tiles * kTileWidth;
  }
}

}  // namespace cadre::kernels::amx
