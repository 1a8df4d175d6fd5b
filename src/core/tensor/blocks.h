// The layouts of quantised values: a few consecutive values of a row share scales and form a block.
//
// These are the formats of ggml, whose names they carry, byte for byte: little-endian, without
// padding. core/kernels/quantise.h says what the bytes of each mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cadre {

class Shape;

// A type of its own beside DType, so that blocks cannot be handed to code that counts elements.
enum class BlockType : uint8_t { q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k };

struct BlockLayout {
  int64_t elements;  // values in a block
  int64_t bytes;     // of a block
};

constexpr BlockLayout block_layout(BlockType type) {
  switch (type) {
    case BlockType::q4_0:
      return {32, 2 + 16};
    case BlockType::q4_1:
      return {32, 2 + 2 + 16};
    case BlockType::q5_0:
      return {32, 2 + 4 + 16};
    case BlockType::q5_1:
      return {32, 2 + 2 + 4 + 16};
    case BlockType::q8_0:
      return {32, 2 + 32};
    case BlockType::q2_k:
      return {256, 16 + 64 + 2 + 2};
    case BlockType::q3_k:
      return {256, 32 + 64 + 12 + 2};
    case BlockType::q4_k:
      return {256, 2 + 2 + 12 + 128};
    case BlockType::q5_k:
      return {256, 2 + 2 + 12 + 32 + 128};
    case BlockType::q6_k:
      return {256, 128 + 64 + 16 + 2};
  }
  return {1, 0};
}

// Blocks never cross rows: whether rows of `width` values can be stored.
constexpr bool fits_blocks(BlockType type, int64_t width) {
  return width % block_layout(type).elements == 0;
}

// Bytes of a row-major array whose innermost rows are of blocks. Throws Error(invalid_input) if the
// width is not a multiple of a block or the size overflows.
int64_t block_bytes(BlockType type, const Shape& shape);

// "q8_0", "q4_k", ...
std::string_view block_type_name(BlockType type);
std::optional<BlockType> block_type_from_name(std::string_view name);

}  // namespace cadre
