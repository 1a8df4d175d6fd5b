// core/kernels/adamw.h over a vector type: one pass over memory.
#pragma once

#include "core/kernels/adamw.h"
#include "core/kernels/cpu/loops/blocks.h"

namespace cadre::kernels::loops {

// The operations and their order are those of the scalar version, none of them fused, so a step has
// the same bits with every table. Whole lines of a bf16 copy go past the caches: nothing is read of
// it, so its lines need not be fetched first.
template <class V>
void adamw(const AdamWArgs& args, Range elements) {
  constexpr int64_t kAhead = 128;  // elements; 64, 256 and 512 are 1 to 4 % slower
  const V scale = V::all(args.gradient_scale);
  const V beta1 = V::all(args.beta1);
  const V beta2 = V::all(args.beta2);
  const V fresh1 = V::all(1.0f - args.beta1);
  const V fresh2 = V::all(1.0f - args.beta2);
  const V decay = V::all(1.0f - args.learning_rate * args.weight_decay);
  const V rate = V::all(args.learning_rate / args.correction1);
  const V spread = V::all(1.0f / __builtin_sqrtf(args.correction2));
  const V eps = V::all(args.eps);
  with_type(args.copy_type, [&](auto copy_type) {
    auto* copy = static_cast<decltype(copy_type)*>(args.copy);
    const auto update = [&](int64_t i, auto part) {
      prefetch_read(args.gradient + i + kAhead);
      prefetch_write(args.m + i + kAhead);
      prefetch_write(args.v + i + kAhead);
      prefetch_write(args.weight + i + kAhead);
      const V g = V::load(args.gradient + i, part) * scale;
      const V m = beta1 * V::load(args.m + i, part) + fresh1 * g;
      const V v = beta2 * V::load(args.v + i, part) + fresh2 * (g * g);
      const V step = rate * m / (V::sqrt(v) * spread + eps);
      const V w = V::load(args.weight + i, part) * decay - step;
      m.store(args.m + i, part);
      v.store(args.v + i, part);
      w.store(args.weight + i, part);
      return w;
    };
    int64_t i = elements.begin;
    if constexpr (sizeof(copy_type) == 2) {
      constexpr int64_t kPair = 2 * V::kWidth;
      if (copy != nullptr && reinterpret_cast<uintptr_t>(copy + i) % (2 * kPair) == 0) {
        for (; i + kPair <= elements.end; i += kPair) {
          const V low = update(i, typename V::All{});
          const V high = update(i + V::kWidth, typename V::All{});
          V::store_past_caches(copy + i, low, high);
        }
        V::end_stores_past_caches();
      }
    }
    for_blocks<V>(i, elements.end, [&](int64_t at, auto part) {
      const V w = update(at, part);
      if (copy != nullptr) w.store(copy + at, part);
    });
  });
}

}  // namespace cadre::kernels::loops
