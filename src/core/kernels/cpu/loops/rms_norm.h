// core/kernels/rms_norm.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/rms_norm.h"

namespace cadre::kernels::loops {

template <class V>
void rms_norm(const RmsNormArgs& args, Range rows) {
  const int64_t width = args.hidden_size;
  with_type(args.x_type, [&](auto x_type) {
    with_type(args.y_type, [&](auto y_type) {
      for (int64_t n = rows.begin; n < rows.end; ++n) {
        const auto* x = static_cast<const decltype(x_type)*>(args.x) + n * width;
        auto* y = static_cast<decltype(y_type)*>(args.y) + n * width;
        const float squares = sum_blocks<V>(width, [&](V sum, int64_t i, auto part) {
          prefetch_read(x + width + i);  // the next row
          prefetch_write(y + i);
          const V v = V::load(x + i, part);
          return V::fma(v, v, sum);
        });
        const float mean = squares / static_cast<float>(width);
        const float r = 1.0f / __builtin_sqrtf(mean + args.eps);
        for_blocks<V>(0, width, [&](int64_t i, auto part) {
          (V::load(x + i, part) * V::all(r) * V::load(args.weight + i, part)).store(y + i, part);
        });
        if (args.inverse_rms != nullptr) args.inverse_rms[n] = r;
      }
    });
  });
}

template <class V>
void rms_norm_backward(const RmsNormBackwardArgs& args, Range rows) {
  const int64_t width = args.hidden_size;
  with_type(args.x_type, [&](auto x_type) {
    with_type(args.y_type, [&](auto y_type) {
      for (int64_t n = rows.begin; n < rows.end; ++n) {
        const auto* x = static_cast<const decltype(x_type)*>(args.x) + n * width;
        const auto* dy = static_cast<const decltype(y_type)*>(args.dy) + n * width;
        auto* dx = static_cast<decltype(x_type)*>(args.dx) + n * width;
        const float products = sum_blocks<V>(width, [&](V sum, int64_t i, auto part) {
          prefetch_read(x + width + i);
          prefetch_read(dy + width + i);
          prefetch_write(dx + i);
          const V g = V::load(dy + i, part) * V::load(args.weight + i, part);
          return V::fma(g, V::load(x + i, part), sum);
        });
        const float r = args.inverse_rms[n];
        const V slope = V::all(-(r * r * (products / static_cast<float>(width))));
        for_blocks<V>(0, width, [&](int64_t i, auto part) {
          const V g = V::load(dy + i, part) * V::load(args.weight + i, part);
          const V change = V::fma(V::load(x + i, part), slope, g);
          const V base = args.accumulate ? V::load(dx + i, part) : V::zero();
          V::fma(change, V::all(r), base).store(dx + i, part);
        });
      }
    });
  });
}

// Walks down a strip of kVectors registers of columns. Sums of 64 rows are added to the total, so
// that the error grows with the square root of the rows at most.
template <class V, int kVectors, class Part, class X, class Y>
void sum_columns(const RmsNormBackwardArgs& args, const X* x, const Y* dy, int64_t column,
                 Part part) {
  constexpr int64_t kAhead = 16;  // rows
  V total[kVectors], sum[kVectors];
  for (int b = 0; b < kVectors; ++b) {
    float* dweight = args.dweight + column + b * V::kWidth;
    total[b] = args.accumulate_weight ? V::load(dweight, part) : V::zero();
  }
  for (int64_t begin = 0; begin < args.num_rows; begin += 64) {
    const int64_t end = begin + 64 < args.num_rows ? begin + 64 : args.num_rows;
    for (int b = 0; b < kVectors; ++b) sum[b] = V::zero();
    for (int64_t n = begin; n < end; ++n) {
      const V r = V::all(args.inverse_rms[n]);
      for (int b = 0; b < kVectors; ++b) {
        const int64_t at = n * args.hidden_size + column + b * V::kWidth;
        prefetch_read(x + at + kAhead * args.hidden_size);
        prefetch_read(dy + at + kAhead * args.hidden_size);
        sum[b] = V::fma(V::load(dy + at, part) * r, V::load(x + at, part), sum[b]);
      }
    }
    for (int b = 0; b < kVectors; ++b) total[b] = total[b] + sum[b];
  }
  for (int b = 0; b < kVectors; ++b) total[b].store(args.dweight + column + b * V::kWidth, part);
}

template <class V>
void rms_norm_backward_weight(const RmsNormBackwardArgs& args, Range columns) {
  constexpr int64_t kStrip = 4 * V::kWidth;
  with_type(args.x_type, [&](auto x_type) {
    with_type(args.y_type, [&](auto y_type) {
      const auto* x = static_cast<const decltype(x_type)*>(args.x);
      const auto* dy = static_cast<const decltype(y_type)*>(args.dy);
      int64_t column = columns.begin;
      for (; column + kStrip <= columns.end; column += kStrip) {
        sum_columns<V, 4>(args, x, dy, column, typename V::All{});
      }
      for_blocks<V>(column, columns.end,
                    [&](int64_t i, auto part) { sum_columns<V, 1>(args, x, dy, i, part); });
    });
  });
}

}  // namespace cadre::kernels::loops
