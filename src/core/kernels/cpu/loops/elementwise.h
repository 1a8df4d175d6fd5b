// core/kernels/elementwise.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/elementwise.h"

namespace cadre::kernels::loops {

constexpr int64_t kAhead = 512;  // elements at which to prefetch

template <class Body>
[[gnu::always_inline]] inline void with_any_type(DType type, Body body) {
  if (type == DType::f16) {
    body(f16{});
  } else {
    with_type(type, body);
  }
}

template <class V>
void cast(const CastArgs& args, Range elements) {
  with_any_type(args.x_type, [&](auto x_type) {
    with_any_type(args.y_type, [&](auto y_type) {
      const auto* x = static_cast<const decltype(x_type)*>(args.x);
      auto* y = static_cast<decltype(y_type)*>(args.y);
      for_blocks<V>(elements.begin, elements.end, [&](int64_t i, auto part) {
        prefetch_read(x + i + kAhead);
        prefetch_write(y + i + kAhead);
        V::load(x + i, part).store(y + i, part);
      });
    });
  });
}

template <class V>
void add(const AddArgs& args, Range elements) {
  const V alpha = V::all(args.alpha);
  const V beta = V::all(args.beta);
  with_type(args.a_type, [&](auto a_type) {
    with_type(args.b_type, [&](auto b_type) {
      with_type(args.y_type, [&](auto y_type) {
        const auto* a = static_cast<const decltype(a_type)*>(args.a);
        const auto* b = static_cast<const decltype(b_type)*>(args.b);
        auto* y = static_cast<decltype(y_type)*>(args.y);
        for_blocks<V>(elements.begin, elements.end, [&](int64_t i, auto part) {
          prefetch_read(a + i + kAhead);
          if (b != nullptr) prefetch_read(b + i + kAhead);
          prefetch_write(y + i + kAhead);
          V sum = alpha * V::load(a + i, part);
          if (b != nullptr) sum = V::fma(beta, V::load(b + i, part), sum);
          sum.store(y + i, part);
        });
      });
    });
  });
}

template <class V>
void clamp(const ClampArgs& args, Range elements) {
  const V low = V::all(-args.limit);
  const V high = V::all(args.limit);
  with_type(args.type, [&](auto type) {
    using T = decltype(type);
    const T* x = static_cast<const T*>(args.x);
    const T* dy = static_cast<const T*>(args.dy);
    T* y = static_cast<T*>(args.y);
    for_blocks<V>(elements.begin, elements.end, [&](int64_t i, auto part) {
      const V v = V::load(x + i, part);
      if (dy == nullptr) {
        // The second operand is what comes out if one is NaN.
        V::min(high, V::max(low, v)).store(y + i, part);
      } else {
        const V above = V::select(V::at_least(v, low), V::load(dy + i, part), V::zero());
        V::select(V::at_least(high, v), above, V::zero()).store(y + i, part);
      }
    });
  });
}

// mix_bits of core/base/random.h on vectors of counters; a test holds the two together.
template <class U>
[[gnu::always_inline]] inline U mix_bits(U x) {
  x = x + U::all(0x9e3779b97f4a7c15ull);
  x = (x ^ (x >> 30)) * U::all(0xbf58476d1ce4e5b9ull);
  x = (x ^ (x >> 27)) * U::all(0x94d049bb133111ebull);
  return x ^ (x >> 31);
}

template <class V>
void dropout(const DropoutArgs& args, Range elements) {
  using U = typename V::U64;
  const U key =
      mix_bits(mix_bits(U::all(args.seed)) ^ U::all(args.stream * 0xd1342543de82ef95ull + 1));
  const V probability = V::all(args.probability);
  const V scale = V::all(1.0f / (1.0f - args.probability));
  with_type(args.type, [&](auto type) {
    using T = decltype(type);
    const T* x = static_cast<const T*>(args.x);
    T* y = static_cast<T*>(args.y);
    for_blocks<V>(elements.begin, elements.end, [&](int64_t i, auto part) {
      const U bits =
          mix_bits(key ^ mix_bits(U::count_from(args.offset + static_cast<uint64_t>(i))));
      const V uniform = (bits >> 40).to_f32() * V::all(0x1p-24f);
      const V kept = V::load(x + i, part) * scale;
      V::select(V::at_least(uniform, probability), kept, V::zero()).store(y + i, part);
    });
  });
}

template <class V>
double sum_squares(const float* x, Range elements) {
  using F64 = typename V::F64;
  constexpr int64_t kWidth = V::kWidth;
  const typename V::All all;
  F64 a, b, c, d;
  int64_t i = elements.begin;
  for (; i + 4 * kWidth <= elements.end; i += 4 * kWidth) {
    for (int64_t j = 0; j < 4 * kWidth; j += 16) prefetch_read(x + i + kAhead + j);
    a = a.plus_square(V::load(x + i, all));
    b = b.plus_square(V::load(x + i + kWidth, all));
    c = c.plus_square(V::load(x + i + 2 * kWidth, all));
    d = d.plus_square(V::load(x + i + 3 * kWidth, all));
  }
  for_blocks<V>(i, elements.end,
                [&](int64_t at, auto part) { a = a.plus_square(V::load(x + at, part)); });
  return ((a + b) + (c + d)).sum();
}

}  // namespace cadre::kernels::loops
