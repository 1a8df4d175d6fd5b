#include "core/io/ggml_type.h"

#include <algorithm>
#include <array>

#include "core/base/error.h"

namespace cadre::io {
namespace {

constexpr GgmlType elements(uint32_t number, std::string_view name, DType dtype) {
  return {number, name, 1, dtype_size(dtype), dtype};
}

constexpr GgmlType blocks(uint32_t number, std::string_view name, BlockType type) {
  return {number, name, block_layout(type).elements, block_layout(type).bytes, type};
}

constexpr GgmlType foreign(uint32_t number, std::string_view name, int64_t count, int64_t bytes) {
  return {number, name, count, bytes, std::monostate{}};
}

constexpr std::array kTypes = {
    elements(0, "F32", DType::f32),      elements(1, "F16", DType::f16),
    blocks(2, "Q4_0", BlockType::q4_0),  blocks(3, "Q4_1", BlockType::q4_1),
    blocks(6, "Q5_0", BlockType::q5_0),  blocks(7, "Q5_1", BlockType::q5_1),
    blocks(8, "Q8_0", BlockType::q8_0),  foreign(9, "Q8_1", 32, 40),
    blocks(10, "Q2_K", BlockType::q2_k), blocks(11, "Q3_K", BlockType::q3_k),
    blocks(12, "Q4_K", BlockType::q4_k), blocks(13, "Q5_K", BlockType::q5_k),
    blocks(14, "Q6_K", BlockType::q6_k), foreign(15, "Q8_K", 256, 292),
    foreign(16, "IQ2_XXS", 256, 66),     foreign(17, "IQ2_XS", 256, 74),
    foreign(18, "IQ3_XXS", 256, 98),     foreign(19, "IQ1_S", 256, 50),
    foreign(20, "IQ4_NL", 32, 18),       foreign(21, "IQ3_S", 256, 110),
    foreign(22, "IQ2_S", 256, 82),       foreign(23, "IQ4_XS", 256, 136),
    elements(24, "I8", DType::i8),       elements(25, "I16", DType::i16),
    elements(26, "I32", DType::i32),     elements(27, "I64", DType::i64),
    elements(28, "F64", DType::f64),     foreign(29, "IQ1_M", 256, 56),
    elements(30, "BF16", DType::bf16),   foreign(34, "TQ1_0", 256, 54),
    foreign(35, "TQ2_0", 256, 66),       foreign(39, "MXFP4", 32, 17),
    foreign(40, "NVFP4", 64, 36),
};

const GgmlType* find_stored(const StoredType& stored) {
  const auto* found = std::ranges::find(kTypes, stored, &GgmlType::stored);
  return found == kTypes.end() ? nullptr : found;
}

}  // namespace

const GgmlType* find_ggml_type(uint32_t number) {
  const auto* found = std::ranges::find(kTypes, number, &GgmlType::number);
  return found == kTypes.end() ? nullptr : found;
}

const GgmlType& ggml_type(DType dtype) {
  const GgmlType* found = find_stored(dtype);
  if (found == nullptr) {
    fail(ErrorKind::unsupported, "GGUF has no element type {}", dtype_name(dtype));
  }
  return *found;
}

const GgmlType& ggml_type(BlockType type) {
  const GgmlType* found = find_stored(type);
  CADRE_CHECK(found != nullptr);
  return *found;
}

const GgmlType& ggml_type(const StoredType& type) {
  if (const auto* blocks = std::get_if<BlockType>(&type)) return ggml_type(*blocks);
  const auto* dtype = std::get_if<DType>(&type);
  CADRE_CHECK(dtype != nullptr);
  return ggml_type(*dtype);
}

}  // namespace cadre::io
