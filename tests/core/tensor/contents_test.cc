#include "core/tensor/contents.h"

#include <doctest/doctest.h>

#include "tests/expect_error.h"

namespace cadre {

TEST_CASE("contents: elements of any short type become f32, memory is that of the tensor") {
  const std::vector<float> values = {0.5f, -3.0f, 0.0f, 1024.0f};
  const Tensor f32 = Tensor::empty({2, 2}, DType::f32);
  const Tensor brain = Tensor::empty({2, 2}, DType::bf16);
  const Tensor half = Tensor::empty({2, 2}, DType::f16);
  for (size_t i = 0; i < values.size(); ++i) {
    f32.data<float>()[i] = values[i];
    brain.data<bf16>()[i] = to_bf16(values[i]);
    half.data<f16>()[i] = to_f16(values[i]);
  }
  for (const Tensor& tensor : {f32, brain, half}) CHECK(f32_values(tensor) == values);
  CHECK(bytes_of(half).data() == half.raw());
  CHECK(bytes_of(half).size() == 8);
  CHECK(bytes_of(Tensor()).empty());
  error_of(ErrorKind::internal, [] { f32_values(Tensor::zeros({1}, DType::i32)); });
}

}  // namespace cadre
