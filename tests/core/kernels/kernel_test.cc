#include "kernel_test.h"

#include <cstring>

namespace cadre::kernels {
namespace {

std::byte pattern(size_t i) { return static_cast<std::byte>((i * 37 + 11) & 0xff); }

}  // namespace

GuardedMatrix::GuardedMatrix(DType type, int64_t rows, int64_t width, int64_t stride,
                             int64_t offset)
    : type_(type), rows_(rows), width_(width), stride_(stride), offset_(offset) {
  bytes_.resize(2 * kGuard + (rows * stride + offset) * dtype_size(type));
  for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = pattern(i);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < width; ++column) set(row, column, 0.0f);
  }
}

void* GuardedMatrix::at(int64_t row, int64_t column) {
  return static_cast<std::byte*>(data()) + (row * stride_ + column) * dtype_size(type_);
}

float GuardedMatrix::get(int64_t row, int64_t column) const {
  const void* from = const_cast<GuardedMatrix*>(this)->at(row, column);
  if (type_ == DType::bf16) {
    bf16 value;
    std::memcpy(&value, from, sizeof(value));
    return to_f32(value);
  }
  float value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

void GuardedMatrix::set(int64_t row, int64_t column, float value) {
  if (type_ == DType::bf16) {
    const bf16 rounded = to_bf16(value);
    std::memcpy(at(row, column), &rounded, sizeof(rounded));
  } else {
    std::memcpy(at(row, column), &value, sizeof(value));
  }
}

void GuardedMatrix::fill_uniform(RandomStream& random) {
  for (int64_t row = 0; row < rows_; ++row) {
    for (int64_t column = 0; column < width_; ++column) {
      set(row, column, 2 * random.uniform() - 1);
    }
  }
}

void GuardedMatrix::fill_nan() {
  for (int64_t row = 0; row < rows_; ++row) {
    std::memset(at(row, 0), 0xff, static_cast<size_t>(width_ * dtype_size(type_)));
  }
}

bool GuardedMatrix::guards_intact() const {
  const int64_t begin = kGuard + offset_ * dtype_size(type_);
  const int64_t row_bytes = stride_ * dtype_size(type_);
  const int64_t width_bytes = width_ * dtype_size(type_);
  for (int64_t i = 0; i < static_cast<int64_t>(bytes_.size()); ++i) {
    const int64_t inside = i - begin;
    const bool element =
        inside >= 0 && inside < rows_ * row_bytes && inside % row_bytes < width_bytes;
    if (!element && bytes_[i] != pattern(i)) return false;
  }
  return true;
}

bool GuardedMatrix::same_bits(const GuardedMatrix& other) const {
  const size_t width_bytes = static_cast<size_t>(width_ * dtype_size(type_));
  for (int64_t row = 0; row < rows_; ++row) {
    if (std::memcmp(const_cast<GuardedMatrix*>(this)->at(row, 0),
                    const_cast<GuardedMatrix&>(other).at(row, 0), width_bytes) != 0) {
      return false;
    }
  }
  return true;
}

Scratch::Scratch(std::byte fill) : bytes_(kGemmScratchBytes, fill) {}

}  // namespace cadre::kernels
