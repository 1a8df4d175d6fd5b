// The attention tiles of core/kernels/softmax.h over a vector type.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/cpu/loops/exp.h"
#include "core/kernels/softmax.h"

namespace cadre::kernels::loops {

// Blocks start at multiples of the register from key 0 of the tile, and lanes outside of
// [first, last) take part as zeros: a row's sums do not depend on how wide its tile is cut.
template <class V>
struct VisibleKeys {
  int64_t first, last;  // keys
  int64_t begin, end;   // the blocks that hold them, cut at the width of the tile
  bool empty() const { return first >= last; }

  static VisibleKeys of(int64_t first, int64_t last, int64_t width) {
    if (first >= last) return {0, 0, 0, 0};
    const int64_t end = (last + V::kWidth - 1) / V::kWidth * V::kWidth;
    return {first, last, first / V::kWidth * V::kWidth, end < width ? end : width};
  }
  // Calls body(j, part, visible) for each block, visible being V::All where every key of it is.
  template <class Body>
  [[gnu::always_inline]] void for_each_block(Body body) const {
    for_blocks<V>(begin, end, [&](int64_t j, auto part) {
      if (first <= j && j + V::kWidth <= last) {
        body(j, part, typename V::All{});
      } else {
        body(j, part, V::between(first - j, last - j));
      }
    });
  }
};

template <class V, class T>
[[gnu::always_inline]] inline void fill_zeros(T* p, int64_t begin, int64_t end) {
  for_blocks<V>(begin, end, [&](int64_t j, auto part) { V::zero().store(p + j, part); });
}

template <class V>
void attention_tile(const AttentionTileArgs& args, Range rows) {
  const V scale = V::all(args.scale);
  const V nothing = V::all(-__builtin_inff());
  with_type(args.p_type, [&](auto p_type) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const float* scores = args.scores + r * args.scores_stride;
      auto* p = static_cast<decltype(p_type)*>(args.p) + r * args.p_stride;
      const auto keys = VisibleKeys<V>::of(args.first_key[r], args.num_keys[r], args.width);
      V top = V::all(args.row_max[r]);
      keys.for_each_block([&](int64_t j, auto part, auto visible) {
        const V z = scale * V::load(scores + j, part);
        top = V::max(V::select(visible, z, nothing), top);
      });
      const float largest = top.max();
      if (keys.empty() || largest == -__builtin_inff()) {
        fill_zeros<V>(p, 0, args.width);
        continue;
      }
      V sum = V::zero();
      fill_zeros<V>(p, 0, keys.begin);
      keys.for_each_block([&](int64_t j, auto part, auto visible) {
        const V below = V::fma(scale, V::load(scores + j, part), V::all(-largest));
        const V e = V::select(visible, exp(below), V::zero());
        sum = sum + e;
        e.store(p + j, part);
      });
      fill_zeros<V>(p, keys.end, args.width);
      // The same exp as above, so that a maximum that stays gives a factor of exactly 1.
      const float factor =
          largest == args.row_max[r] ? 1.0f : (exp(V::all(args.row_max[r] - largest))).max();
      if (factor != 1.0f) {
        float* output = args.output + r * args.output_width;
        for_blocks<V>(0, args.output_width, [&](int64_t i, auto part) {
          (V::load(output + i, part) * V::all(factor)).store(output + i, part);
        });
      }
      args.row_sum[r] = __builtin_fmaf(args.row_sum[r], factor, sum.sum());
      args.row_max[r] = largest;
    }
  });
}

template <class V>
void attention_tile_backward(const AttentionTileBackwardArgs& args, Range rows) {
  const V scale = V::all(args.scale);
  with_type(args.p_type, [&](auto p_type) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const float* scores = args.scores + r * args.stride;
      const float* dp = args.dp + r * args.stride;
      auto* p = static_cast<decltype(p_type)*>(args.p) + r * args.p_stride;
      auto* ds = static_cast<decltype(p_type)*>(args.ds) + r * args.p_stride;
      const auto keys = VisibleKeys<V>::of(args.first_key[r], args.num_keys[r], args.width);
      const V lse = V::all(args.lse[r]);
      const V delta = V::all(args.delta[r]);
      fill_zeros<V>(p, 0, keys.begin);
      fill_zeros<V>(ds, 0, keys.begin);
      keys.for_each_block([&](int64_t j, auto part, auto visible) {
        const V e = exp(V::fma(scale, V::load(scores + j, part), V::zero() - lse));
        const V change = scale * e * (V::load(dp + j, part) - delta);
        V::select(visible, e, V::zero()).store(p + j, part);
        V::select(visible, change, V::zero()).store(ds + j, part);
      });
      fill_zeros<V>(p, keys.end, args.width);
      fill_zeros<V>(ds, keys.end, args.width);
    }
  });
}

}  // namespace cadre::kernels::loops
