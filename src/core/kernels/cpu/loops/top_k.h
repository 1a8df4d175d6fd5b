// Top-k of core/kernels/mixture.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/mixture.h"

namespace cadre::kernels::loops {

constexpr int64_t kTopKExperts = 4096;  // what the copy of a row on the stack has room for

// Takes the largest k times from a copy of the row. What has been taken, and the padding, is NaN,
// which V::max passes over and which equals nothing; a NaN of the row has become -inf before.
template <class V>
void top_k(const TopKArgs& args, Range rows) {
  constexpr int64_t kWidth = V::kWidth;
  const typename V::All all;
  const V lowest = V::all(-__builtin_inff());
  const V taken = V::all(__builtin_nanf(""));
  alignas(64) float copy[kTopKExperts];
  const int64_t padded = (args.num_experts + kWidth - 1) / kWidth * kWidth;
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const float* scores = args.scores + n * args.num_experts;
    for_blocks<V>(0, args.num_experts, [&](int64_t i, auto part) {
      V::select(part, V::max(V::load(scores + i, part), lowest), taken).store(copy + i, all);
    });
    for (int64_t j = n * args.top_k; j < (n + 1) * args.top_k; ++j) {
      V best = lowest;
      for (int64_t i = 0; i < padded; i += kWidth) best = V::max(V::load(copy + i, all), best);
      best = V::all(best.max());
      int64_t block = 0;
      uint32_t found = V::equal(V::load(copy, all), best);
      while (found == 0) {
        block += kWidth;
        found = V::equal(V::load(copy + block, all), best);
      }
      const int64_t expert = block + __builtin_ctz(found);
      args.experts[j] = static_cast<int32_t>(expert);
      args.values[j] = copy[expert];
      copy[expert] = __builtin_nanf("");
    }
  }
}

}  // namespace cadre::kernels::loops
