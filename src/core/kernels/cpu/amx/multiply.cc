#include "core/kernels/cpu/amx/multiply.h"

#include "core/kernels/cpu/amx/tiles.h"

namespace cadre::kernels::amx {
namespace {

// One row of the output at each step, or more if there are few steps.
class OutputFetch {
 public:
  OutputFetch(const Output& output, int64_t steps)
      : output_(output), rows_per_step_(steps > 0 ? (output.rows + steps - 1) / steps : 0) {}

  void step() {
    for (int64_t i = 0; i < rows_per_step_ && output_.rows > 0; ++i, --output_.rows) {
      for (int64_t at = 0; at < output_.row_bytes; at += 64) {
        __builtin_prefetch(output_.row + at, 1, 3);
      }
      output_.row += output_.row_stride;
    }
  }

 private:
  Output output_;
  int64_t rows_per_step_;
};

// Tile (i, j) of the sums is register i * kRight + j.
template <int kTiles>
void begin_sums(const std::byte* from) {
  if (from == nullptr) {
    zero_tile<0>();
    if constexpr (kTiles > 1) zero_tile<1>();
    if constexpr (kTiles > 2) zero_tile<2>();
    if constexpr (kTiles > 3) zero_tile<3>();
    if constexpr (kTiles > 4) zero_tile<4>();
    if constexpr (kTiles > 5) zero_tile<5>();
    return;
  }
  load_tile<0>(from);
  if constexpr (kTiles > 1) load_tile<1>(from + kTileBytes);
  if constexpr (kTiles > 2) load_tile<2>(from + 2 * kTileBytes);
  if constexpr (kTiles > 3) load_tile<3>(from + 3 * kTileBytes);
  if constexpr (kTiles > 4) load_tile<4>(from + 4 * kTileBytes);
  if constexpr (kTiles > 5) load_tile<5>(from + 5 * kTileBytes);
}

template <int kLeft, int kRight>
void end_sums(std::byte* to, const SumsLayout& at) {
  store_tile<0>(to, at.row);
  if constexpr (kRight > 1) store_tile<1>(to + at.right, at.row);
  if constexpr (kLeft > 1) store_tile<kRight>(to + at.left, at.row);
  if constexpr (kLeft > 1 && kRight > 1) store_tile<3>(to + at.left + at.right, at.row);
  if constexpr (kLeft > 2) store_tile<2 * kRight>(to + 2 * at.left, at.row);
  if constexpr (kLeft > 2 && kRight > 1) store_tile<5>(to + 2 * at.left + at.right, at.row);
}

// 3 x 2 is the shape that counts. Operands come from the second-level cache, which delivers less
// than the multiplier takes, so the widest block wins: five tiles feed six products. Six sums leave
// two registers for operands; the order changes one of them at a time, and the two tiles loaded
// twice come from the first level the second time.
template <int kLeft, int kRight>
void step(const std::byte* left, const TileLayout& layout, const std::byte* right) {
  if constexpr (kLeft == 3 && kRight == 2) {
    load_tile<6>(left, layout.row);
    load_tile<7>(right);
    multiply_tiles<0, 6, 7>();
    load_tile<7>(right + kTileBytes);
    multiply_tiles<1, 6, 7>();
    load_tile<6>(left + layout.tile, layout.row);
    multiply_tiles<3, 6, 7>();
    load_tile<7>(right);
    multiply_tiles<2, 6, 7>();
    load_tile<6>(left + 2 * layout.tile, layout.row);
    multiply_tiles<4, 6, 7>();
    load_tile<7>(right + kTileBytes);
    multiply_tiles<5, 6, 7>();
  } else if constexpr (kRight == 2) {
    load_tile<4>(left, layout.row);
    load_tile<6>(right);
    multiply_tiles<0, 4, 6>();
    load_tile<7>(right + kTileBytes);
    multiply_tiles<1, 4, 7>();
    if constexpr (kLeft > 1) {
      load_tile<5>(left + layout.tile, layout.row);
      multiply_tiles<2, 5, 6>();
      multiply_tiles<3, 5, 7>();
    }
  } else {
    load_tile<3>(right);
    load_tile<4>(left, layout.row);
    multiply_tiles<0, 4, 3>();
    if constexpr (kLeft > 1) {
      load_tile<5>(left + layout.tile, layout.row);
      multiply_tiles<1, 5, 3>();
    }
    if constexpr (kLeft > 2) {
      load_tile<6>(left + 2 * layout.tile, layout.row);
      multiply_tiles<2, 6, 3>();
    }
  }
}

template <int kLeft, int kRight>
void run(const MultiplyArgs& args) {
  const std::byte* left = args.left;
  const TileLayout layout = args.left_layout;
  const std::byte* right = args.right;
  OutputFetch output(args.output, args.steps);
  Chore& chore = *args.chore;
  begin_sums<kLeft * kRight>(args.begin);
  for (int64_t s = 0; s < args.steps; ++s) {
    step<kLeft, kRight>(left, layout, right);
    output.step();
    if (--chore.countdown == 0) {
      chore.countdown = chore.interval;
      chore.run(chore);
    }
    left += layout.step;
    right += kRight * kTileBytes;
  }
  end_sums<kLeft, kRight>(args.end, args.end_layout);
}

}  // namespace

void multiply(const MultiplyArgs& args) noexcept {
  switch (args.left_tiles * 2 + args.right_tiles) {
    case 3:
      return run<1, 1>(args);
    case 4:
      return run<1, 2>(args);
    case 5:
      return run<2, 1>(args);
    case 6:
      return run<2, 2>(args);
    case 7:
      return run<3, 1>(args);
    default:
      return run<3, 2>(args);
  }
}

}  // namespace cadre::kernels::amx
