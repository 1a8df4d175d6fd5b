// core/kernels/rope.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/rope.h"

namespace cadre::kernels::loops {

template <class V>
void rope(const RopeArgs& args, Range rows) {
  constexpr int64_t kAhead = 1024;  // elements
  const int64_t half = args.rotary_dim / 2;
  const V sign = V::all(args.inverse ? -1.0f : 1.0f);
  with_type(args.type, [&](auto type) {
    using T = decltype(type);
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      const float* cosine = args.cosine + args.positions[n] * half;
      const float* sine = args.sine + args.positions[n] * half;
      for (int64_t h = 0; h < args.num_heads; ++h) {
        const int64_t head = (n * args.num_heads + h) * args.head_dim;
        const T* x = static_cast<const T*>(args.x) + head;
        T* y = static_cast<T*>(args.y) + head;
        for_blocks<V>(0, half, [&](int64_t i, auto part) {
          prefetch_read(x + kAhead + i);
          prefetch_read(x + kAhead + half + i);
          prefetch_write(y + kAhead + i);
          prefetch_write(y + kAhead + half + i);
          const V c = V::load(cosine + i, part);
          const V s = V::load(sine + i, part) * sign;
          const V low = V::load(x + i, part);
          const V high = V::load(x + half + i, part);
          V::fma(low, c, V::zero() - high * s).store(y + i, part);
          V::fma(high, c, low * s).store(y + half + i, part);
        });
        if (x == y) continue;
        for_blocks<V>(args.rotary_dim, args.head_dim,
                      [&](int64_t i, auto part) { V::load(x + i, part).store(y + i, part); });
      }
    }
  });
}

}  // namespace cadre::kernels::loops
