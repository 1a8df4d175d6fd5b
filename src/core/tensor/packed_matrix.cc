#include "core/tensor/packed_matrix.h"

namespace cadre {
namespace {

constexpr PackedFormat kFormats[] = {PackedFormat::q8_0, PackedFormat::q4_0, PackedFormat::q4_k,
                                     PackedFormat::q5_k, PackedFormat::q6_k};

}  // namespace

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
