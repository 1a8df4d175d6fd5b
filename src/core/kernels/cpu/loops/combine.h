// Combine of core/kernels/mixture.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/mixture.h"

namespace cadre::kernels::loops {

// kVectors registers of one row of y: the sum over its slots.
template <class V, int kVectors, class Part, class X, class Y>
[[gnu::always_inline]] inline void combine_strip(const CombineArgs& args, int64_t n, int64_t column,
                                                 Part part, const X* x, Y* y) {
  V sum[kVectors];
  for (int b = 0; b < kVectors; ++b) sum[b] = V::zero();
  for (int64_t j = n * args.top_k; j < (n + 1) * args.top_k; ++j) {
    if (args.slot[j] < 0) continue;
    const V weight = V::all(args.weight == nullptr ? 1.0f : args.weight[j]);
    const X* row = x + args.slot[j] * args.width + column;
    for (int b = 0; b < kVectors; ++b) {
      sum[b] = V::fma(weight, V::load(row + b * V::kWidth, part), sum[b]);
    }
  }
  for (int b = 0; b < kVectors; ++b) {
    Y* to = y + n * args.width + column + b * V::kWidth;
    (args.accumulate ? sum[b] + V::load(to, part) : sum[b]).store(to, part);
  }
}

template <class V>
void combine(const CombineArgs& args, Range rows) {
  constexpr int64_t kStrip = 8 * V::kWidth;
  with_type(args.x_type, [&](auto x_type) {
    with_type(args.y_type, [&](auto y_type) {
      const auto* x = static_cast<const decltype(x_type)*>(args.x);
      auto* y = static_cast<decltype(y_type)*>(args.y);
      for (int64_t n = rows.begin; n < rows.end; ++n) {
        int64_t column = 0;
        for (; column + kStrip <= args.width; column += kStrip) {
          combine_strip<V, 8>(args, n, column, typename V::All{}, x, y);
        }
        for_blocks<V>(column, args.width,
                      [&](int64_t i, auto part) { combine_strip<V, 1>(args, n, i, part, x, y); });
      }
    });
  });
}

template <class V>
void combine_backward(const CombineBackwardArgs& args, Range rows) {
  with_type(args.x_type, [&](auto x_type) {
    with_type(args.y_type, [&](auto y_type) {
      for (int64_t n = rows.begin; n < rows.end; ++n) {
        const auto* dy = static_cast<const decltype(y_type)*>(args.dy) + n * args.width;
        for (int64_t j = n * args.top_k; j < (n + 1) * args.top_k; ++j) {
          float product = 0.0f;
          if (args.slot[j] >= 0) {
            const int64_t row = args.slot[j] * args.width;
            const int64_t after = j + 1 < rows.end * args.top_k ? args.slot[j + 1] : -1;
            const int64_t next_slot = after < 0 ? args.slot[j] : after;
            const bool wanted = args.dweight != nullptr;
            const auto* x = static_cast<const decltype(x_type)*>(wanted ? args.x : args.dx) + row;
            auto* dx = static_cast<decltype(x_type)*>(args.dx) + row;
            const V weight = V::all(args.weight == nullptr ? 1.0f : args.weight[j]);
            const int64_t next = next_slot * args.width - row;  // from this row to the next
            product = sum_blocks<V>(args.width, [&](V sum, int64_t i, auto part) {
              prefetch_read(x + next + i);
              prefetch_write(dx + next + i);
              const V g = V::load(dy + i, part);
              if (wanted) sum = V::fma(g, V::load(x + i, part), sum);
              (weight * g).store(dx + i, part);
              return sum;
            });
          }
          if (args.dweight != nullptr) args.dweight[j] = product;
        }
      }
    });
  });
}

}  // namespace cadre::kernels::loops
