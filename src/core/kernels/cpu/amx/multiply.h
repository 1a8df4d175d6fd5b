// The inner loop: a block of c in tile registers, along all steps of k that are packed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cadre::kernels::amx {

// Work for the vector unit and for memory that is done a little at a time between products, which
// keep the tile multiplier busy meanwhile.
struct Chore {
  void (*run)(Chore& chore) = nullptr;
  int64_t interval = 0;   // steps of products between two runs; 0: never runs
  int64_t countdown = 0;  // steps until the next one
};

// Where the sums will be written after this product: brought into the first-level cache.
struct Output {
  const std::byte* row = nullptr;
  int64_t row_stride = 0;  // bytes
  int64_t row_bytes = 0;
  int64_t rows = 0;
};

// Where the tiles of a group lie: bytes from one row of a tile to the next, from one tile of a step
// to the next, and from one step to the next.
struct TileLayout {
  int64_t row;
  int64_t tile;
  int64_t step;
};

// Where the tiles of sums lie: bytes from one row of a tile to the next, from one tile of the left
// factor to the next, and from one of the right factor to the next.
struct SumsLayout {
  int64_t row;
  int64_t left;
  int64_t right;
};

struct MultiplyArgs {
  const std::byte* left;   // left_tiles wide
  TileLayout left_layout;  // packed, or as the factor lies
  const std::byte* right;  // packed, right_tiles wide
  int64_t left_tiles;      // 1 to 3
  int64_t right_tiles;     // 1 or 2
  int64_t steps;           // of 32 along k, may be 0
  const std::byte* begin;  // sums so far, packed; null for zeros
  std::byte* end;          // sums: tiles [left tile][right tile] of 16 x 16 f32
  SumsLayout end_layout;   // packed, or as c lies
  Output output;           // no rows if it need not be fetched
  Chore* chore;
};

// Tiles must be configured.
void multiply(const MultiplyArgs& args) noexcept;

}  // namespace cadre::kernels::amx
