// Softmax of core/kernels/softmax.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/cpu/loops/exp.h"
#include "core/kernels/softmax.h"

namespace cadre::kernels::loops {

// Starting a running maximum here instead of at -inf keeps z - max from being inf - inf.
constexpr float kLowest = -0x1.fffffep+127f;

template <class V>
void softmax(const SoftmaxArgs& args, Range rows) {
  const int64_t width = args.width;
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const float* z = args.z + n * width;
    float* p = args.p + n * width;
    V top = V::all(kLowest);
    for_blocks<V>(0, width, [&](int64_t i, auto part) {
      top = V::max(V::select(part, V::load(z + i, part), top), top);
    });
    const float largest = top.max();
    const float sum = sum_blocks<V>(width, [&](V partial, int64_t i, auto part) {
      const V e = exp(V::load(z + i, part) - V::all(largest));
      e.store(p + i, part);
      return partial + V::select(part, e, V::zero());
    });
    const V inverse = V::all(sum == 0.0f ? 0.0f : 1.0f / sum);
    for_blocks<V>(0, width, [&](int64_t i, auto part) {
      (V::load(p + i, part) * inverse).store(p + i, part);
    });
    if (args.lse != nullptr) args.lse[n] = largest + __builtin_logf(sum);
  }
}

template <class V>
void softmax_backward(const SoftmaxBackwardArgs& args, Range rows) {
  const int64_t width = args.width;
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const float* p = args.p + n * width;
    const float* dp = args.dp + n * width;
    float* dz = args.dz + n * width;
    const V mean = V::all(sum_blocks<V>(width, [&](V sum, int64_t i, auto part) {
      return V::fma(V::load(p + i, part), V::load(dp + i, part), sum);
    }));
    for_blocks<V>(0, width, [&](int64_t i, auto part) {
      (V::load(p + i, part) * (V::load(dp + i, part) - mean)).store(dz + i, part);
    });
  }
}

}  // namespace cadre::kernels::loops
