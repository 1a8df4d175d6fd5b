#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"
#include "core/kernels/softmax.h"

namespace cadre::kernels::scalar {

void attention_tile(const AttentionTileArgs& args, Range rows) noexcept {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* scores = args.scores + r * args.scores_stride;
    const int64_t first = args.first_key[r];
    const int64_t last = args.num_keys[r];
    float top = args.row_max[r];
    for (int64_t j = first; j < last; ++j) top = std::max(top, args.scale * scores[j]);
    const bool none = first >= last || top == -std::numeric_limits<float>::infinity();
    double sum = 0;
    for (int64_t j = 0; j < args.width; ++j) {
      const bool visible = !none && first <= j && j < last;
      const double p = visible ? std::exp(double{args.scale * scores[j]} - top) : 0.0;
      store(args.p, args.p_type, r * args.p_stride + j, static_cast<float>(p));
      sum += p;
    }
    if (none) continue;
    const double factor = std::exp(double{args.row_max[r]} - top);
    for (int64_t i = 0; i < args.output_width; ++i) {
      float& output = args.output[r * args.output_width + i];
      output = static_cast<float>(output * factor);
    }
    args.row_sum[r] = static_cast<float>(args.row_sum[r] * factor + sum);
    args.row_max[r] = top;
  }
}

void attention_tile_backward(const AttentionTileBackwardArgs& args, Range rows) noexcept {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (int64_t j = 0; j < args.width; ++j) {
      const int64_t at = r * args.stride + j;
      double p = 0;
      double ds = 0;
      if (args.first_key[r] <= j && j < args.num_keys[r]) {
        p = std::exp(double{args.scale * args.scores[at]} - args.lse[r]);
        ds = args.scale * p * (double{args.dp[at]} - args.delta[r]);
      }
      store(args.p, args.p_type, r * args.p_stride + j, static_cast<float>(p));
      store(args.ds, args.p_type, r * args.p_stride + j, static_cast<float>(ds));
    }
  }
}

}  // namespace cadre::kernels::scalar
