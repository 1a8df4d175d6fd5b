// core/kernels/dequantise_rows.h over a vector type whose width divides 32.
#pragma once

#include "core/kernels/cpu/loops/blocks.h"
#include "core/kernels/dequantise_rows.h"

namespace cadre::kernels::loops {

template <class V>
void dequantise_rows(const DequantiseRowsArgs& args, Range rows) {
  constexpr int64_t kGroup = 32;
  const typename V::All all;
  with_type(args.type, [&](auto type) {
    auto* y = static_cast<decltype(type)*>(args.y);
    for (int64_t g = rows.begin * args.k / kGroup; g < rows.end * args.k / kGroup; ++g) {
      const V scale = V::all(args.scales[g]);
      for (int64_t i = g * kGroup; i < (g + 1) * kGroup; i += V::kWidth) {
        (scale * V::load(args.quants + i, all)).store(y + i, all);
      }
    }
  });
}

}  // namespace cadre::kernels::loops
