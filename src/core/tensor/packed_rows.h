// Weights in few bits, laid out for registers.
//
// A matrix [rows, k] is cut into tiles of 16 rows, each contiguous over all of k, so that a product
// streams every weight once. Along k a tile is cut into blocks (32 or 256 elements, as in the file
// format it was packed from) and these into groups of 32. The quants of a group are stored as eight
// quads: quad j holds elements 4j to 4j+3 of all 16 rows, row after row, which is the order in
// which vpdpbusd and the AMX tiles take them. Every value is a whole number times a scale, less a
// minimum:
//
//   w[r, i] = scale[r, g] * (q[r, i] - offset) - minimum[r, g]
//
//   format  offset  block of a tile, in this order                                  bits a weight
//   q8_0    0       f16 d[16]; 8 quads of 64 int8                                       8.5
//   q4_0    8       f16 d[16]; 4 x 64 bytes, quad j low and j+4 high                    4.5
//   q4_k    0       f16 d[16], dmin[16]; u8 scale[8][16], min[8][16]; 8 groups as q4_0  4.625
//   q5_k    0       as q4_k, a group followed by 64 bytes of fifth bits, bit j quad j   5.625
//   q6_k    32      f16 d[16]; i8 scale[16][16]; 8 groups as q4_0, each followed by
//                   128 bytes of upper bits: byte b of half h has those of quads
//                   4h to 4h+3, two bits each, lowest first                             6.5625
//
// q8_0 and q4_0 scale by d[r]; the K formats by d[r] * scale[g][r] with minimum dmin[r] *
// min[g][r]. q6_k has a scale for every 16 elements. Rows beyond the matrix in the last tile are
// zero.
#pragma once

#include <cstdint>

namespace cadre {

enum class PackedFormat : uint8_t { q8_0, q4_0, q4_k, q5_k, q6_k };

constexpr int64_t kPackedRows = 16;   // of a tile
constexpr int64_t kPackedGroup = 32;  // elements of k that share an activation scale

// Elements of k in a block: k must be a multiple.
constexpr int64_t packed_block_size(PackedFormat format) {
  return format == PackedFormat::q8_0 || format == PackedFormat::q4_0 ? 32 : 256;
}

// Bytes before the quants of a block, and of each group of quants.
constexpr int64_t packed_header_bytes(PackedFormat format) {
  switch (format) {
    case PackedFormat::q8_0:
    case PackedFormat::q4_0:
      return 32;
    case PackedFormat::q4_k:
    case PackedFormat::q5_k:
      return 64 + 256;
    case PackedFormat::q6_k:
      return 32 + 256;
  }
  return 0;
}
constexpr int64_t packed_group_bytes(PackedFormat format) {
  switch (format) {
    case PackedFormat::q8_0:
      return 512;
    case PackedFormat::q4_0:
    case PackedFormat::q4_k:
      return 256;
    case PackedFormat::q5_k:
      return 320;
    case PackedFormat::q6_k:
      return 384;
  }
  return 0;
}
constexpr int64_t packed_block_bytes(PackedFormat format) {
  return packed_header_bytes(format) +
         packed_block_size(format) / kPackedGroup * packed_group_bytes(format);
}

// What is subtracted from stored quants, and whether a minimum is subtracted from the product.
constexpr int32_t packed_offset(PackedFormat format) {
  return format == PackedFormat::q4_0 ? 8 : format == PackedFormat::q6_k ? 32 : 0;
}
constexpr bool packed_has_minimum(PackedFormat format) {
  return format == PackedFormat::q4_k || format == PackedFormat::q5_k;
}

constexpr int64_t packed_tiles(int64_t rows) { return (rows + kPackedRows - 1) / kPackedRows; }
constexpr int64_t packed_tile_bytes(PackedFormat format, int64_t k) {
  return k / packed_block_size(format) * packed_block_bytes(format);
}

}  // namespace cadre
