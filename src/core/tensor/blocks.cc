#include "core/tensor/blocks.h"

#include <array>

#include "core/base/error.h"
#include "core/tensor/shape.h"

namespace cadre {
namespace {

struct Name {
  BlockType type;
  std::string_view name;
};

constexpr std::array kNames = {
    Name{BlockType::q4_0, "q4_0"}, Name{BlockType::q4_1, "q4_1"}, Name{BlockType::q5_0, "q5_0"},
    Name{BlockType::q5_1, "q5_1"}, Name{BlockType::q8_0, "q8_0"}, Name{BlockType::q2_k, "q2_k"},
    Name{BlockType::q3_k, "q3_k"}, Name{BlockType::q4_k, "q4_k"}, Name{BlockType::q5_k, "q5_k"},
    Name{BlockType::q6_k, "q6_k"},
};

}  // namespace

int64_t block_bytes(BlockType type, const Shape& shape) {
  const BlockLayout layout = block_layout(type);
  const int64_t width = shape.rank() == 0 ? 1 : shape.dim(-1);
  if (!fits_blocks(type, width)) {
    fail(ErrorKind::invalid_input, "{} has rows of {}, expected a multiple of {} for {}",
         to_string(shape), width, layout.elements, block_type_name(type));
  }
  int64_t bytes = 0;
  if (__builtin_mul_overflow(shape.elements() / layout.elements, layout.bytes, &bytes)) {
    fail(ErrorKind::invalid_input, "{} of {} has more than 2^63 bytes", to_string(shape),
         block_type_name(type));
  }
  return bytes;
}

std::string_view block_type_name(BlockType type) {
  for (const Name& entry : kNames) {
    if (entry.type == type) return entry.name;
  }
  return "";
}

std::optional<BlockType> block_type_from_name(std::string_view name) {
  for (const Name& entry : kNames) {
    if (entry.name == name) return entry.type;
  }
  return std::nullopt;
}

}  // namespace cadre
