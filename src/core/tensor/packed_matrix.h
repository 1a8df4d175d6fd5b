// Matrices of few bits in the layout of packed_rows.h: one, or a stack of equal shape such as the
// experts of a layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/tensor/blocks.h"
#include "core/tensor/packed_rows.h"
#include "core/tensor/storage.h"

namespace cadre {

// A handle: copies share memory. Without storage it is empty.
struct PackedMatrix {
  PackedFormat format = PackedFormat::q8_0;
  int64_t count = 0;  // matrices in the stack
  int64_t rows = 0;   // of each
  int64_t k = 0;
  std::shared_ptr<Storage> storage;

  bool defined() const { return storage != nullptr; }
  int64_t matrix_bytes() const { return packed_tiles(rows) * packed_tile_bytes(format, k); }
  int64_t bytes() const { return count * matrix_bytes(); }
  // Tile `tile` of matrix `index`.
  std::byte* tile(int64_t index, int64_t tile) const {
    return storage->data + index * matrix_bytes() + tile * packed_tile_bytes(format, k);
  }
};

// The values of row `row` of matrix `index`, k of them: (quant - offset) * scale - minimum, each
// step rounded to f32.
void unpack_row(const PackedMatrix& matrix, int64_t index, int64_t row, float* values);

// "q8_0", "q4_k", ...
std::string_view packed_format_name(PackedFormat format);
std::optional<PackedFormat> packed_format_from_name(std::string_view name);
// Every format, those of most bits first.
std::span<const PackedFormat> packed_formats();

// The blocks that a format is packed from, and the format that takes blocks of a type, if any does.
BlockType block_type(PackedFormat format);
std::optional<PackedFormat> packed_format(BlockType type);

}  // namespace cadre
