#include <cmath>
#include <limits>

#include "core/kernels/cpu/scalar/kernels.h"
#include "core/kernels/mixture.h"

namespace cadre::kernels::scalar {

void top_k(const TopKArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const float* scores = args.scores + n * args.num_experts;
    int32_t* experts = args.experts + n * args.top_k;
    float* values = args.values + n * args.top_k;
    // Insertion into the sorted list of the best so far; a later equal score stays behind.
    int64_t kept = 0;
    for (int64_t e = 0; e < args.num_experts; ++e) {
      const float score =
          std::isnan(scores[e]) ? -std::numeric_limits<float>::infinity() : scores[e];
      if (kept == args.top_k && !(score > values[kept - 1])) continue;
      int64_t place = kept < args.top_k ? kept++ : kept - 1;
      for (; place > 0 && score > values[place - 1]; --place) {
        values[place] = values[place - 1];
        experts[place] = experts[place - 1];
      }
      values[place] = score;
      experts[place] = static_cast<int32_t>(e);
    }
  }
}

}  // namespace cadre::kernels::scalar
