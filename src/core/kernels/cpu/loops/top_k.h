// Top-k of core/kernels/mixture.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/mixture.h"

namespace cadre::kernels::loops {

constexpr int64_t kTopKExperts = 4096;  // what the copy of a row on the stack has room for

// Bit i is set if p[i] equals the number in every lane of x, for four registers.
template <class V>
[[gnu::always_inline]] inline uint64_t equal_lanes(const float* p, V x) {
  uint64_t bits = 0;
  for (int64_t b = 0; b < 4; ++b) {
    const uint64_t equal = V::equal(V::load(p + b * V::kWidth, typename V::All{}), x);
    bits |= equal << (b * V::kWidth);
  }
  return bits;
}

// Takes the largest k times from a copy of the row. What has been taken, and the padding, is NaN,
// which V::max passes over and which equals nothing; a NaN of the row has become -inf before.
template <class V>
void top_k(const TopKArgs& args, Range rows) {
  constexpr int64_t kWidth = V::kWidth;
  constexpr int64_t kStep = 4 * kWidth;  // with AVX-512 all of 64 experts
  const typename V::All all;
  const V lowest = V::all(-__builtin_inff());
  const V taken = V::all(__builtin_nanf(""));
  alignas(64) float copy[kTopKExperts];
  const int64_t padded = (args.num_experts + kStep - 1) / kStep * kStep;
  for (int64_t i = 0; i < padded; i += kWidth) taken.store(copy + i, all);
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const float* scores = args.scores + n * args.num_experts;
    for_blocks<V>(0, args.num_experts, [&](int64_t i, auto part) {
      V::select(part, V::max(V::load(scores + i, part), lowest), taken).store(copy + i, all);
    });
    for (int64_t j = n * args.top_k; j < (n + 1) * args.top_k; ++j) {
      V best[4] = {lowest, lowest, lowest, lowest};
      for (int64_t i = 0; i < padded; i += kStep) {
        for (int64_t b = 0; b < 4; ++b) {
          best[b] = V::max(V::load(copy + i + b * kWidth, all), best[b]);
        }
      }
      const V largest = V::all(V::max(V::max(best[0], best[1]), V::max(best[2], best[3])).max());
      int64_t block = 0;
      uint64_t found = equal_lanes(copy, largest);
      while (found == 0) found = equal_lanes(copy + (block += kStep), largest);
      const int64_t expert = block + __builtin_ctzll(found);
      args.experts[j] = static_cast<int32_t>(expert);
      args.values[j] = copy[expert];
      copy[expert] = __builtin_nanf("");
    }
  }
}

}  // namespace cadre::kernels::loops
