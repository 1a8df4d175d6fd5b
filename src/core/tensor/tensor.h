// A dense, row-major array on shared storage.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/error.h"
#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"
#include "core/tensor/storage.h"

namespace cadre {

// The DType of a C++ element type, for checked access.
template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<bf16>() {
  return DType::bf16;
}
template <>
constexpr DType dtype_of<f16>() {
  return DType::f16;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::i64;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::u8;
}

// A handle: copies share memory, and constness is that of the handle, not of the elements. Two
// tensors with the same identity() are views of the same storage. An empty tensor has no storage.
class Tensor {
 public:
  Tensor() = default;
  Tensor(std::shared_ptr<Storage> storage, int64_t offset_bytes, Shape shape, DType dtype);

  // Uninitialised memory of its own, from malloc; for places that have no Context.
  static Tensor empty(Shape shape, DType dtype);
  static Tensor zeros(Shape shape, DType dtype);

  bool defined() const { return storage_ != nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t dim(int index) const { return shape_.dim(index); }
  int64_t elements() const { return shape_.elements(); }
  int64_t bytes() const { return elements() * dtype_size(dtype_); }
  // elements() / dim(-1): the number of innermost rows; 0 for an empty tensor.
  int64_t rows() const;
  const void* identity() const { return storage_.get(); }
  // While this handle lives no other storage gets the same identity, even if the memory is gone.
  std::weak_ptr<const void> reserve_identity() const { return storage_; }

  void* raw() const { return storage_ ? storage_->data + offset_ : nullptr; }
  // Checked: throws Error(internal) if T is not the element type.
  template <typename T>
  T* data() const {
    CADRE_CHECK(!defined() || dtype_ == dtype_of<T>());
    return static_cast<T*>(raw());
  }
  template <typename T>
  std::span<T> span() const {
    return {data<T>(), static_cast<size_t>(elements())};
  }

  // The same memory under another shape of as many elements.
  Tensor reshape(Shape shape) const;
  // Rows [begin, end) of the outermost dimension, sharing memory.
  Tensor slice(int64_t begin, int64_t end) const;

 private:
  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;
  Shape shape_{0};
  DType dtype_ = DType::f32;
};

// Throws Error(invalid_input) `what is [2, 3], expected [2, 4]`.
void expect_shape(const Tensor& tensor, const Shape& expected, std::string_view what);
void expect_dtype(const Tensor& tensor, DType expected, std::string_view what);

}  // namespace cadre
