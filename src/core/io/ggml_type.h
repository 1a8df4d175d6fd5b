// How GGUF numbers the types of tensors.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "core/tensor/blocks.h"
#include "core/tensor/dtype.h"

namespace cadre::io {

// What a tensor in a file is made of: single elements, or blocks. monostate stands for types whose
// size is known and whose values cannot be read here.
using StoredType = std::variant<std::monostate, DType, BlockType>;

struct GgmlType {
  uint32_t number;
  std::string_view name;   // as ggml spells it: "F32", "Q4_K", "IQ4_XS"
  int64_t block_elements;  // 1 for element types
  int64_t block_bytes;
  StoredType stored;
};

// Null for numbers that no version of the format has given out.
const GgmlType* find_ggml_type(uint32_t number);
// The type of what we write; throws Error(unsupported) if the format has none.
const GgmlType& ggml_type(DType dtype);
const GgmlType& ggml_type(BlockType type);
const GgmlType& ggml_type(const StoredType& type);

}  // namespace cadre::io
