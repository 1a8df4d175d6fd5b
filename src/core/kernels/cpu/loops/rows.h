// core/kernels/rows.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/cpu/loops/swiglu.h"
#include "core/kernels/rows.h"

namespace cadre::kernels::loops {

template <class V>
void add_bias(const AddBiasArgs& args, Range rows) {
  with_type(args.x_type, [&](auto x_type) {
    with_type(args.y_type, [&](auto y_type) {
      for (int64_t n = rows.begin; n < rows.end; ++n) {
        const auto* x = static_cast<const decltype(x_type)*>(args.x) + n * args.width;
        auto* y = static_cast<decltype(y_type)*>(args.y) + n * args.width;
        for_blocks<V>(0, args.width, [&](int64_t i, auto part) {
          (V::load(x + i, part) + V::load(args.bias + i, part)).store(y + i, part);
        });
      }
    });
  });
}

template <class V>
void sum_rows(const SumRowsArgs& args, Range columns) {
  with_type(args.x_type, [&](auto x_type) {
    const auto* x = static_cast<const decltype(x_type)*>(args.x);
    for_blocks<V>(columns.begin, columns.end, [&](int64_t i, auto part) {
      V total = args.accumulate ? V::load(args.sum + i, part) : V::zero();
      for (int64_t begin = 0; begin < args.num_rows; begin += 64) {
        const int64_t end = begin + 64 < args.num_rows ? begin + 64 : args.num_rows;
        V sum = V::zero();
        for (int64_t n = begin; n < end; ++n) sum = sum + V::load(x + n * args.width + i, part);
        total = total + sum;
      }
      total.store(args.sum + i, part);
    });
  });
}

template <class V>
void center_rows(const CenterRowsArgs& args, Range rows) {
  with_type(args.x_type, [&](auto x_type) {
    with_type(args.y_type, [&](auto y_type) {
      for (int64_t n = rows.begin; n < rows.end; ++n) {
        const auto* x = static_cast<const decltype(x_type)*>(args.x) + n * args.width;
        auto* y = static_cast<decltype(y_type)*>(args.y) + n * args.width;
        const float sum = sum_blocks<V>(args.width, [&](V total, int64_t i, auto part) {
          return total + V::load(x + i, part);
        });
        const V mean = V::all(sum / static_cast<float>(args.width));
        for_blocks<V>(0, args.width, [&](int64_t i, auto part) {
          (V::load(x + i, part) - mean).store(y + i, part);
        });
      }
    });
  });
}

template <class V>
void sigmoid_gate(const SigmoidGateArgs& args, Range rows) {
  with_type(args.type, [&](auto type) {
    using T = decltype(type);
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      const T* x = static_cast<const T*>(args.x) + n * args.width;
      T* y = static_cast<T*>(args.y) + n * args.width;
      const V s = V::all(1.0f) / sigmoid_divisor(V::all(args.gate[n]));
      for_blocks<V>(0, args.width,
                    [&](int64_t i, auto part) { (s * V::load(x + i, part)).store(y + i, part); });
    }
  });
}

template <class V>
void sigmoid_gate_backward(const SigmoidGateArgs& args, Range rows) {
  with_type(args.type, [&](auto type) {
    using T = decltype(type);
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      const T* x = static_cast<const T*>(args.x) + n * args.width;
      const T* dy = static_cast<const T*>(args.dy) + n * args.width;
      T* dx = static_cast<T*>(args.dx) + n * args.width;
      const V s = V::all(1.0f) / sigmoid_divisor(V::all(args.gate[n]));
      const float sum = sum_blocks<V>(args.width, [&](V total, int64_t i, auto part) {
        const V slope = V::load(dy + i, part);
        const V value = V::load(x + i, part);
        (s * slope).store(dx + i, part);
        return V::fma(slope, value, total);
      });
      args.dgate[n] = (s * (V::all(1.0f) - s)).max() * sum;  // all lanes are the same
    }
  });
}

}  // namespace cadre::kernels::loops
