// Element by element: conversion, sums, scaling. Ranges count elements. Arithmetic in f32.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

// y = x, converted (f32, bf16, f16 in any combination).
struct CastArgs {
  const void* x;
  DType x_type;
  void* y;
  DType y_type;
};
using CastFn = void(const CastArgs& args, Range elements) noexcept;

// y = alpha * a + beta * b; types f32 or bf16, each on its own. y may be the memory of a or b if
// the types agree. b may be null with beta = 0.
struct AddArgs {
  const void* a;
  DType a_type;
  const void* b;
  DType b_type;
  void* y;
  DType y_type;
  float alpha;
  float beta;
};
using AddFn = void(const AddArgs& args, Range elements) noexcept;

// y = min(max(x, -limit), limit); NaN stays NaN. With dy its derivative: y = dy where |x| <= limit,
// else 0. Types f32 or bf16, the same for all; y may be the memory of x or dy.
struct ClampArgs {
  const void* x;
  const void* dy;  // null in the forward pass
  void* y;
  DType type;
  float limit;  // > 0
};
using ClampFn = void(const ClampArgs& args, Range elements) noexcept;

// Inverted dropout: y = x * keep / (1 - p), where element i is kept if the value of the random
// stream at (offset + i) is >= p (RandomStream::uniform_at of the given key, core/base/random.h).
// The derivative is the same map applied to dy. Types f32 or bf16, the same for x and y.
struct DropoutArgs {
  const void* x;
  void* y;
  DType type;
  uint64_t seed;
  uint64_t stream;
  uint64_t offset;
  float probability;  // p, in [0, 1)
};
using DropoutFn = void(const DropoutArgs& args, Range elements) noexcept;

// The sum of squares of x (f32) over the range, in f64: what a gradient norm is made of. The order
// of the sum depends on the range alone.
using SumSquaresFn = double(const float* x, Range elements) noexcept;

}  // namespace cadre::kernels
