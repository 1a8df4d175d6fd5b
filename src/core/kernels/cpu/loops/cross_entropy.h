// Cross-entropy of core/kernels/softmax.h over a vector type: one pass for the sum, one for dz.
#pragma once

#include "core/kernels/cpu/loops/softmax.h"

namespace cadre::kernels::loops {

// Maximum and sum of exp(z - maximum) of what has been seen, for each lane on its own, so that one
// pass is enough (Milakov and Gimelshein, arXiv:1805.02867).
template <class V>
struct RunningSum {
  static constexpr int64_t kAhead = 1024;  // elements at which to prefetch

  V top = V::all(kLowest);
  V sum = V::zero();

  // Four blocks at once: the sum is rescaled once for them.
  void add(const float* z) {
    constexpr int64_t kWidth = V::kWidth;
    const typename V::All all;
    for (int64_t i = 0; i < 4 * kWidth; i += 16) prefetch_read(z + kAhead + i);
    const V a = V::load(z, all), b = V::load(z + kWidth, all);
    const V c = V::load(z + 2 * kWidth, all), d = V::load(z + 3 * kWidth, all);
    const V next = V::max(V::max(a, V::max(b, top)), V::max(c, V::max(d, top)));
    const V terms = (exp(a - next) + exp(b - next)) + (exp(c - next) + exp(d - next));
    sum = V::fma(sum, exp(top - next), terms);
    top = next;
  }
  template <class Part>
  void add(const float* z, Part part) {
    const V a = V::select(part, V::load(z, part), V::all(-__builtin_inff()));
    const V next = V::max(a, top);
    sum = V::fma(sum, exp(top - next), exp(a - next));
    top = next;
  }
};

template <class V>
RunningSum<V> running_sum(const float* z, int64_t width) {
  RunningSum<V> running;
  int64_t i = 0;
  for (; i + 4 * V::kWidth <= width; i += 4 * V::kWidth) running.add(z + i);
  for_blocks<V>(i, width, [&](int64_t at, auto part) { running.add(z + at, part); });
  return running;
}

template <class V>
void cross_entropy(const CrossEntropyArgs& args, Range rows) {
  const int64_t width = args.vocab_size;
  with_type(args.dz_type, [&](auto dz_type) {
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      const float* z = args.z + n * args.z_stride;
      auto* dz = static_cast<decltype(dz_type)*>(args.dz);
      if (dz != nullptr) dz += n * args.dz_stride;
      const int32_t target = args.targets[n];
      float top = 0.0f, sum = 1.0f;
      if (target >= 0 || args.lse != nullptr) {
        const RunningSum<V> running = running_sum<V>(z, width);
        top = running.top.max();
        sum = (running.sum * exp(running.top - V::all(top))).sum();
      }
      const float log_sum = __builtin_logf(sum);
      if (args.lse != nullptr) args.lse[n] = top + log_sum;
      if (target < 0) {
        args.loss[n] = 0.0f;
        if (dz == nullptr) continue;
        for_blocks<V>(0, width, [&](int64_t at, auto part) { V::zero().store(dz + at, part); });
        continue;
      }
      const float at_target = z[target];
      args.loss[n] = log_sum + (top - at_target);
      if (dz == nullptr) continue;
      const V scale = V::all(args.weight[n] / sum);
      for_blocks<V>(0, width, [&](int64_t at, auto part) {
        (exp(V::load(z + at, part) - V::all(top)) * scale).store(dz + at, part);
      });
      const V p = exp(V::all(at_target - top)) / V::all(sum);
      ((p - V::all(1.0f)) * V::all(args.weight[n])).store(dz + target, V::first(1));
    }
  });
}

}  // namespace cadre::kernels::loops
