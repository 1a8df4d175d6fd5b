#include "core/tensor/packed_matrix.h"

#include "core/tensor/packed_block.h"

namespace cadre {
namespace {

constexpr PackedFormat kFormats[] = {PackedFormat::q8_0, PackedFormat::q6_k, PackedFormat::q5_k,
                                     PackedFormat::q4_k, PackedFormat::q4_0};

}  // namespace

void unpack_row(const PackedMatrix& matrix, int64_t index, int64_t row, float* values) {
  const int64_t size = packed_block_size(matrix.format);
  const int64_t group_size = packed_scale_group(matrix.format);
  const std::byte* tile = matrix.tile(index, row / kPackedRows);
  const int64_t r = row % kPackedRows;
  for (int64_t begin = 0; begin < matrix.k; begin += size) {
    const PackedBlock block = {matrix.format,
                               tile + begin / size * packed_block_bytes(matrix.format)};
    for (int64_t group = 0; group < size / group_size; ++group) {
      const float scale = block.scale(r, group);
      const float minimum = packed_has_minimum(matrix.format) ? block.minimum(r, group) : 0.0f;
      for (int64_t i = group * group_size; i < (group + 1) * group_size; ++i) {
        values[begin + i] = static_cast<float>(block.value(r, i)) * scale - minimum;
      }
    }
  }
}

std::string_view packed_format_name(PackedFormat format) {
  return block_type_name(block_type(format));
}

std::optional<PackedFormat> packed_format_from_name(std::string_view name) {
  const std::optional<BlockType> type = block_type_from_name(name);
  return type ? packed_format(*type) : std::nullopt;
}

std::span<const PackedFormat> packed_formats() { return kFormats; }

BlockType block_type(PackedFormat format) {
  switch (format) {
    case PackedFormat::q8_0:
      return BlockType::q8_0;
    case PackedFormat::q4_0:
      return BlockType::q4_0;
    case PackedFormat::q4_k:
      return BlockType::q4_k;
    case PackedFormat::q5_k:
      return BlockType::q5_k;
    case PackedFormat::q6_k:
      return BlockType::q6_k;
  }
  return BlockType::q8_0;
}

std::optional<PackedFormat> packed_format(BlockType type) {
  for (const PackedFormat format : kFormats) {
    if (block_type(format) == type) return format;
  }
  return std::nullopt;
}

}  // namespace cadre
