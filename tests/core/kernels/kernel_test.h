// What tests of kernels share: the tables of this processor, and matrices that notice stray bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "core/base/cpu_features.h"
#include "core/base/random.h"
#include "core/kernels/table.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

// The tables that this processor can run, scalar first.
inline std::vector<const KernelTable*> supported_tables() {
  return supported_tables(detect_cpu_features());
}

// Memory that begins on a cache line.
template <typename T>
struct LineAllocator {
  using value_type = T;
  T* allocate(size_t count) {
    return static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{64}));
  }
  void deallocate(T* memory, size_t) { ::operator delete (memory, std::align_val_t{64}); }
  bool operator==(const LineAllocator&) const { return true; }
};

// rows x width elements (f32 or bf16) with row stride >= width. The gaps between rows and the
// kilobyte before and after hold a pattern; `offset` elements shift the start off its alignment.
class GuardedMatrix {
 public:
  GuardedMatrix(DType type, int64_t rows, int64_t width, int64_t stride, int64_t offset = 0);

  // Uniform in [-1, 1), rounded to the type.
  void fill_uniform(RandomStream& random);
  // NaN in every byte: what must be overwritten, never read.
  void fill_nan();

  void* data() { return bytes_.data() + kGuard + offset_ * dtype_size(type_); }
  const void* data() const { return const_cast<GuardedMatrix*>(this)->data(); }
  // The address of an element.
  void* at(int64_t row, int64_t column);
  float get(int64_t row, int64_t column) const;
  void set(int64_t row, int64_t column, float value);

  DType type() const { return type_; }
  int64_t rows() const { return rows_; }
  int64_t width() const { return width_; }
  int64_t stride() const { return stride_; }

  // No byte outside of the elements has changed.
  bool guards_intact() const;
  // Every element has the same bits.
  bool same_bits(const GuardedMatrix& other) const;

 private:
  static constexpr int64_t kGuard = 1024;

  DType type_;
  int64_t rows_, width_, stride_, offset_;
  std::vector<std::byte, LineAllocator<std::byte>> bytes_;
};

// 64-byte aligned scratch for gemm, filled with `fill`.
class Scratch {
 public:
  explicit Scratch(std::byte fill = std::byte{0xff});
  std::byte* data() { return bytes_.data(); }

 private:
  std::vector<std::byte, LineAllocator<std::byte>> bytes_;
};

}  // namespace cadre::kernels
