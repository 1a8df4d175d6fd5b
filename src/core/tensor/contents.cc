#include "core/tensor/contents.h"

namespace cadre {

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  return {static_cast<const std::byte*>(tensor.raw()), static_cast<size_t>(tensor.bytes())};
}

std::vector<float> f32_values(const Tensor& tensor) {
  const DType type = tensor.dtype();
  CADRE_CHECK(type == DType::f32 || type == DType::bf16 || type == DType::f16);
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == DType::f32) values[i] = tensor.data<float>()[i];
    if (type == DType::bf16) values[i] = to_f32(tensor.data<bf16>()[i]);
    if (type == DType::f16) values[i] = to_f32(tensor.data<f16>()[i]);
  }
  return values;
}

}  // namespace cadre
