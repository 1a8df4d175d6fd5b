#include "core/kernels/cpu/amx/gemm_in_place.h"

#include <cstddef>
#include <cstdint>

#include "core/kernels/cpu/amx/finish.h"
#include "core/kernels/cpu/amx/pack.h"
#include "core/kernels/cpu/amx/plan.h"
#include "core/kernels/cpu/amx/tiles.h"

namespace cadre::kernels::amx {
namespace {

constexpr int64_t kLineBytes = 64;
static_assert(kLineBytes == 2 * kTileDepth);
// Measured: fewer leave tiles waiting for memory, more read no faster.
constexpr int64_t kStepsAhead = 8;

// Asks for the rows of b in the order in which tiles load them, a few steps before they do. Into
// the second-level cache: lines of 16 rows may have their place in the same set of the first.
class Fetch {
 public:
  Fetch(const std::byte* b, int64_t row_bytes, int64_t rows, int64_t steps)
      : rows_(b), row_bytes_(row_bytes), left_(rows), steps_(steps) {
    for (int64_t i = 0; i < kStepsAhead; ++i) advance();
  }

  // One tile.
  void advance() {
    if (left_ == 0) return;
    const std::byte* line = rows_ + step_ * kLineBytes;
#pragma GCC unroll 16
    for (int64_t row = 0; row < kTileWidth; ++row) {
      __builtin_prefetch(line + row * row_bytes_, 0, 2);
    }
    if (++step_ < steps_) return;
    step_ = 0;
    rows_ += kTileWidth * row_bytes_;
    left_ -= kTileWidth;
  }

 private:
  const std::byte* rows_;
  int64_t row_bytes_;
  int64_t left_;  // rows, a multiple of 16
  int64_t steps_;
  int64_t step_ = 0;
};

// Sums of 16 rows of b and up to 16 kRight rows of a, along all steps of k.
template <int kRight>
void sum_block(const std::byte* left, int64_t row_bytes, const std::byte* right, int64_t steps,
               Fetch& fetch, std::byte* sums) {
  zero_tile<0>();
  if constexpr (kRight > 1) zero_tile<1>();
  for (int64_t s = 0; s < steps; ++s, left += kLineBytes, right += kRight * kTileBytes) {
    fetch.advance();
    load_tile<4>(left, row_bytes);
    load_tile<6>(right);
    multiply_tiles<0, 4, 6>();
    if constexpr (kRight > 1) {
      load_tile<7>(right + kTileBytes);
      multiply_tiles<1, 4, 7>();
    }
  }
  store_tile<0>(sums);
  if constexpr (kRight > 1) store_tile<1>(sums + kTileBytes);
}

static_assert(kBlockBytes + kResidentBytes <= kGemmScratchBytes);

template <int kRight>
void run(const GemmArgs& args, int64_t columns) {
  const int64_t steps = args.k / kTileDepth;
  const int64_t row_bytes = 2 * args.b_stride;
  std::byte* const sums = args.scratch;
  std::byte* const right = sums + kBlockBytes;
  const std::byte* left = static_cast<const std::byte*>(args.b);
  Fetch fetch(left, row_bytes, columns, steps);
  const Factor a = {static_cast<const bf16*>(args.a), args.a_stride, true, args.m};
  Packer({a, false, 0, args.m, 0, args.k, right}).finish();
  for (int64_t column = 0; column < columns; column += kTileWidth) {
    sum_block<kRight>(left, row_bytes, right, steps, fetch, sums);
    finish({.gemm = &args,
            .transposed = true,
            .past_caches = false,
            .sums = sums,
            .left_tiles = 1,
            .right_tiles = kRight,
            .first_left = column,
            .first_right = 0});
    left += kTileWidth * row_bytes;
  }
}

}  // namespace

int64_t columns_in_place(const GemmArgs& args) noexcept {
  const bool few =
      args.m <= kRightTiles * kTileWidth && 2 * kTileWidth * kRightTiles * args.k <= kResidentBytes;
  if (!few || args.a_transposed || !args.b_transposed || args.k % kTileDepth != 0) return 0;
  return args.n / kTileWidth * kTileWidth;
}

void multiply_in_place(const GemmArgs& args, int64_t columns) noexcept {
  if (args.m <= kTileWidth) {
    run<1>(args, columns);
  } else {
    run<2>(args, columns);
  }
}

}  // namespace cadre::kernels::amx
