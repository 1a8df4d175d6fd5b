#include "core/tensor/tensor.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace cadre {

Tensor::Tensor(std::shared_ptr<Storage> storage, int64_t offset_bytes, Shape shape, DType dtype)
    : storage_(std::move(storage)), offset_(offset_bytes), shape_(shape), dtype_(dtype) {
  CADRE_CHECK(storage_ != nullptr && offset_ >= 0);
  CADRE_CHECK(elements() <= (storage_->size - offset_) / dtype_size(dtype_));
}

Tensor Tensor::empty(Shape shape, DType dtype) {
  // One allocator per tensor: its only block goes back to the system with it.
  return Tensor(Allocator::create()->allocate(shape.elements() * dtype_size(dtype)), 0, shape,
                dtype);
}

Tensor Tensor::zeros(Shape shape, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  std::memset(tensor.raw(), 0, static_cast<size_t>(tensor.bytes()));
  return tensor;
}

int64_t Tensor::rows() const {
  const int64_t width = rank() == 0 ? 1 : dim(-1);
  return width == 0 ? 0 : elements() / width;
}

Tensor Tensor::reshape(Shape shape) const {
  CADRE_CHECK(shape.elements() == elements());
  Tensor view = *this;
  view.shape_ = shape;
  return view;
}

Tensor Tensor::slice(int64_t begin, int64_t end) const {
  CADRE_CHECK(rank() >= 1 && begin >= 0 && begin <= end && end <= dim(0));
  std::array<int64_t, Shape::kMaxRank> extents;
  std::ranges::copy(shape_.extents(), extents.begin());
  const int64_t row = dim(0) == 0 ? 0 : bytes() / dim(0);
  extents[0] = end - begin;
  Tensor view = *this;
  view.shape_ = Shape(std::span<const int64_t>(extents).first(static_cast<size_t>(rank())));
  view.offset_ += begin * row;
  return view;
}

void expect_shape(const Tensor& tensor, const Shape& expected, std::string_view what) {
  if (!(tensor.shape() == expected)) {
    fail(ErrorKind::invalid_input, "{} is {}, expected {}", what, to_string(tensor.shape()),
         to_string(expected));
  }
}

void expect_dtype(const Tensor& tensor, DType expected, std::string_view what) {
  if (tensor.dtype() != expected) {
    fail(ErrorKind::invalid_input, "{} is {}, expected {}", what, dtype_name(tensor.dtype()),
         dtype_name(expected));
  }
}

}  // namespace cadre
