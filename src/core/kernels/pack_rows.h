// Moves rows of quantised blocks, as files hold them (core/tensor/blocks.h), into a tile of 16 rows
// (core/tensor/packed_rows.h). No value changes: scales and quants are the same bits, and the 6-bit
// scales of the K formats become bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/tensor/packed_rows.h"

namespace cadre::kernels {

struct PackRowsArgs {
  const std::byte* blocks;  // row r starts at blocks + r * row_bytes, of any alignment
  int64_t row_bytes;
  PackedFormat format;
  int64_t rows;     // 1 to 16; the rest of the tile becomes zeros
  int64_t k;        // a multiple of packed_block_size(format)
  std::byte* tile;  // packed_tile_bytes(format, k)
};
using PackRowsFn = void(const PackRowsArgs& args) noexcept;

}  // namespace cadre::kernels
