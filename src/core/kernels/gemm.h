// Matrix product on one thread:
//
//   c[i, j] = sum_p a(i, p) * b(p, j)          (+ c[i, j] if accumulate)
//
// with i < m, j < n, p < k. It serves the three products of a linear layer y = x w^T:
//
//   y  = x w^T    a = x,             b = w transposed        (k contiguous in both)
//   dx = dy w     a = dy,            b = w                   (k contiguous in a, n in b)
//   dw = dy^T x   a = dy transposed, b = x                   (m contiguous in a, n in b)
//
// Sums are in f32 (f64 in the scalar table). The order of the sum over p depends on k alone, so an
// element has the same bits however a caller cuts m and n into blocks: this is what makes results
// independent of threads and of the company in a batch. bf16 products are exact in f32.
// With accumulate the finished sum is added to c once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/tensor/dtype.h"

namespace cadre::kernels {

struct GemmArgs {
  int64_t m = 0, n = 0, k = 0;  // >= 0; k = 0 gives zeros
  const void* a = nullptr;  // a(i, p) = a[i * a_stride + p], or a[p * a_stride + i] if transposed
  int64_t a_stride = 0;     // in elements
  bool a_transposed = false;
  const void* b = nullptr;  // b(p, j) = b[p * b_stride + j], or b[j * b_stride + p] if transposed
  int64_t b_stride = 0;
  bool b_transposed = false;
  DType type = DType::f32;  // of a and b: f32 or bf16
  void* c = nullptr;        // c[i * c_stride + j]; overlaps neither a nor b
  int64_t c_stride = 0;
  DType c_type = DType::f32;  // f32 or bf16
  bool accumulate = false;
  std::byte* scratch = nullptr;  // kGemmScratchBytes, 64-byte aligned, of this thread alone
};

// Enough for the packed blocks of any call; the size of a second-level cache.
constexpr int64_t kGemmScratchBytes = 4 << 20;

using GemmFn = void(const GemmArgs& args) noexcept;

}  // namespace cadre::kernels
