// core/kernels/swiglu.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/cpu/loops/exp.h"
#include "core/kernels/swiglu.h"

namespace cadre::kernels::loops {

// 1 + exp(-z): what sigmoid and silu divide by.
template <class V>
[[gnu::always_inline]] inline V sigmoid_divisor(V z) {
  return V::all(1.0f) + exp(V::zero() - z);
}

// Whole rows of x, the least that make 2048 elements: the distance at which to prefetch.
template <class V>
[[gnu::always_inline]] inline int64_t elements_ahead(int64_t width) {
  return (2047 / (2 * width) + 1) * 2 * width;
}

template <class V>
void swiglu(const SwigluArgs& args, Range rows) {
  const int64_t width = args.width;
  const int64_t ahead = elements_ahead<V>(width);
  with_type(args.type, [&](auto type) {
    using T = decltype(type);
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      const T* gate = static_cast<const T*>(args.x) + n * 2 * width;
      T* y = static_cast<T*>(args.y) + n * width;
      for_blocks<V>(0, width, [&](int64_t i, auto part) {
        prefetch_read(gate + ahead + i);
        prefetch_read(gate + ahead + width + i);
        prefetch_write(y + ahead / 2 + i);
        const V z = V::load(gate + i, part);
        const V up = V::load(gate + width + i, part);
        (z / sigmoid_divisor(z) * up).store(y + i, part);
      });
    }
  });
}

// silu'(z) = s * (1 + z * (1 - s)), s = 1 / (1 + exp(-z))
template <class V>
void swiglu_backward(const SwigluArgs& args, Range rows) {
  const int64_t width = args.width;
  const int64_t ahead = elements_ahead<V>(width);
  const V one = V::all(1.0f);
  with_type(args.type, [&](auto type) {
    using T = decltype(type);
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      const T* gate = static_cast<const T*>(args.x) + n * 2 * width;
      const T* dy = static_cast<const T*>(args.dy) + n * width;
      T* dgate = static_cast<T*>(args.dx) + n * 2 * width;
      for_blocks<V>(0, width, [&](int64_t i, auto part) {
        prefetch_read(gate + ahead + i);
        prefetch_read(gate + ahead + width + i);
        prefetch_read(dy + ahead / 2 + i);
        prefetch_write(dgate + ahead + i);
        prefetch_write(dgate + ahead + width + i);
        const V z = V::load(gate + i, part);
        const V up = V::load(gate + width + i, part);
        const V s = one / sigmoid_divisor(z);
        const V g = V::load(dy + i, part) * s;
        (g * up * V::fma(z, one - s, one)).store(dgate + i, part);
        (g * z).store(dgate + width + i, part);
      });
    }
  });
}

}  // namespace cadre::kernels::loops
