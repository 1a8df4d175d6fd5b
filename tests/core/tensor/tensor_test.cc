#include "core/tensor/tensor.h"

#include <doctest/doctest.h>

#include "tests/expect_error.h"

namespace cadre {

TEST_CASE("tensor: handles share memory, zeros are zero") {
  Tensor a = Tensor::zeros({2, 3}, DType::f32);
  const Tensor b = a;
  for (const float x : a.span<float>()) CHECK(x == 0.0f);
  b.data<float>()[4] = 7.0f;
  CHECK(a.span<float>()[4] == 7.0f);
  CHECK(a.identity() == b.identity());
  CHECK(a.bytes() == 24);
  CHECK(a.rows() == 2);
}

TEST_CASE("tensor: access of another type is our own error") {
  const Tensor a = Tensor::zeros({4}, DType::f32);
  error_of(ErrorKind::internal, [&] { a.data<bf16>(); });
  error_of(ErrorKind::internal, [&] { a.data<int32_t>(); });
}

TEST_CASE("tensor: slices and reshapes are views") {
  const Tensor a = Tensor::zeros({4, 3}, DType::i32);
  for (int32_t i = 0; i < 12; ++i) a.data<int32_t>()[i] = i;
  const Tensor rows = a.slice(1, 3);
  CHECK(rows.shape() == Shape{2, 3});
  CHECK(rows.data<int32_t>()[0] == 3);
  CHECK(rows.identity() == a.identity());
  CHECK(rows.reshape({6}).data<int32_t>()[5] == 8);
  CHECK(rows.slice(1, 2).slice(0, 1).data<int32_t>()[2] == 8);
  CHECK(a.slice(2, 2).elements() == 0);
  error_of(ErrorKind::internal, [&] { a.slice(3, 5); });
  error_of(ErrorKind::internal, [&] { a.slice(3, 2); });
  error_of(ErrorKind::internal, [&] { a.reshape({5}); });
}

TEST_CASE("tensor: a shape beyond its storage is refused") {
  auto storage = Allocator::create()->allocate(16);
  Tensor fits(storage, 8, {2}, DType::f32);
  error_of(ErrorKind::internal, [&] { Tensor(storage, 8, {3}, DType::f32); });
  error_of(ErrorKind::internal, [&] { Tensor(storage, 0, {int64_t{1} << 61}, DType::f64); });
  error_of(ErrorKind::internal, [&] { Tensor(storage, -4, {1}, DType::f32); });
  error_of(ErrorKind::internal, [&] { Tensor(nullptr, 0, {0}, DType::f32); });
}

TEST_CASE("tensor: one without storage is empty") {
  const Tensor none;
  CHECK_FALSE(none.defined());
  CHECK(none.elements() == 0);
  CHECK(none.rows() == 0);
  CHECK(none.raw() == nullptr);
  CHECK(Tensor::zeros({0, 4}, DType::f32).defined());
  CHECK(Tensor::zeros(Shape{}, DType::f64).elements() == 1);
}

TEST_CASE("tensor: expectations name what was found and what was expected") {
  const Tensor a = Tensor::zeros({2, 3}, DType::f32);
  expect_shape(a, {2, 3}, "weight");
  expect_dtype(a, DType::f32, "weight");
  CHECK(error_of(ErrorKind::invalid_input, [&] {
          expect_shape(a, {2, 4}, "weight");
        }) == "weight is [2, 3], expected [2, 4]");
  CHECK(error_of(ErrorKind::invalid_input, [&] { expect_dtype(a, DType::bf16, "weight"); }) ==
        "weight is f32, expected bf16");
}

}  // namespace cadre
