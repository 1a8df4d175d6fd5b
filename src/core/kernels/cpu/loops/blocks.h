// Walking a row in blocks of one register, and choosing element types: what the loops share. All of
// it is templates over the vector type V or over a caller's lambda, so each instruction set has its
// own copies.
#pragma once

#include <cstdint>

#include "core/tensor/dtype.h"

namespace cadre::kernels::loops {

// Calls body(i, part) for i = begin, begin + W, ... < end, where part is V::All, or for a last
// block of fewer than W elements V::First.
template <class V, class Body>
[[gnu::always_inline]] inline void for_blocks(int64_t begin, int64_t end, Body body) {
  int64_t i = begin;
  for (; i + V::kWidth <= end; i += V::kWidth) body(i, typename V::All{});
  if (i < end) body(i, V::first(end - i));
}

// The sum over lanes of what step(sum, i, part) adds to its first argument. Four sums hide the
// latency of the addition; the order depends on n alone.
template <class V, class Step>
[[gnu::always_inline]] inline float sum_blocks(int64_t n, Step step) {
  V a = V::zero(), b = V::zero(), c = V::zero(), d = V::zero();
  constexpr int64_t kWidth = V::kWidth;
  const typename V::All all;
  int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
    a = step(a, i, all);
    b = step(b, i + kWidth, all);
    c = step(c, i + 2 * kWidth, all);
    d = step(d, i + 3 * kWidth, all);
  }
  for_blocks<V>(i, n, [&](int64_t at, auto part) { a = step(a, at, part); });
  return ((a + b) + (c + d)).sum();
}

// Asks for the cache line of an element that will be read, or written, some kilobytes later. The
// processor's own prefetcher stops at the end of each page and of each short row, which halves the
// speed of streaming kernels. Addresses past the end of a buffer are harmless.
template <class T>
[[gnu::always_inline]] inline void prefetch_read(const T* p) {
  __builtin_prefetch(p, 0);
}
template <class T>
[[gnu::always_inline]] inline void prefetch_write(const T* p) {
  __builtin_prefetch(p, 1);
}

// Calls body with a value of the element type, f32 or bf16.
template <class Body>
[[gnu::always_inline]] inline void with_type(DType type, Body body) {
  if (type == DType::bf16) {
    body(bf16{});
  } else {
    body(float{});
  }
}

}  // namespace cadre::kernels::loops
