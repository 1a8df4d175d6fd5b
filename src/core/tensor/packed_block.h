// The plain reading of one block of a tile (core/tensor/packed_rows.h): what its bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/tensor/dtype.h"
#include "core/tensor/packed_rows.h"

namespace cadre {

// Elements of k that share a weight's scale.
constexpr int64_t packed_scale_group(PackedFormat format) {
  return format == PackedFormat::q6_k ? 16 : 32;
}

// One block of a tile: 16 rows of packed_block_size(format) elements.
struct PackedBlock {
  PackedFormat format;
  const std::byte* at;

  // The quant of row r, element i of the block, less the offset.
  int32_t value(int64_t r, int64_t i) const {
    const std::byte* group =
        at + packed_header_bytes(format) + i / kPackedGroup * packed_group_bytes(format);
    const int64_t quad = i % kPackedGroup / 4;
    const int64_t lane = r * 4 + i % 4;
    if (format == PackedFormat::q8_0) return static_cast<int8_t>(byte(group, quad * 64 + lane));
    int32_t q = byte(group, quad % 4 * 64 + lane) >> (quad < 4 ? 0 : 4) & 15;
    if (format == PackedFormat::q5_k) q |= (byte(group, 256 + lane) >> quad & 1) << 4;
    if (format == PackedFormat::q6_k) {
      q |= (byte(group, 256 + quad / 4 * 64 + lane) >> (2 * (quad % 4)) & 3) << 4;
    }
    return q - packed_offset(format);
  }

  // Of a scale group of row r.
  float scale(int64_t r, int64_t group) const {
    const float d = half(r);
    switch (format) {
      case PackedFormat::q8_0:
      case PackedFormat::q4_0:
        return d;
      case PackedFormat::q4_k:
      case PackedFormat::q5_k:
        return d * static_cast<float>(byte(at, 64 + group * 16 + r));
      case PackedFormat::q6_k:
        return d * static_cast<float>(static_cast<int8_t>(byte(at, 32 + group * 16 + r)));
    }
    return 0;
  }

  // Of formats with a minimum.
  float minimum(int64_t r, int64_t group) const {
    return half(16 + r) * static_cast<float>(byte(at, 64 + 128 + group * 16 + r));
  }

 private:
  static uint8_t byte(const std::byte* p, int64_t i) { return static_cast<uint8_t>(p[i]); }
  float half(int64_t i) const {
    f16 h;
    std::memcpy(&h, at + 2 * i, sizeof(h));
    return to_f32(h);
  }
};

}  // namespace cadre
