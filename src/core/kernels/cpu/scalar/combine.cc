#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"
#include "core/kernels/mixture.h"

namespace cadre::kernels::scalar {

void combine(const CombineArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    for (int64_t d = 0; d < args.width; ++d) {
      double sum = 0;
      for (int64_t j = n * args.top_k; j < (n + 1) * args.top_k; ++j) {
        if (args.slot[j] < 0) continue;
        const double weight = args.weight == nullptr ? 1.0 : args.weight[j];
        sum += weight * load(args.x, args.x_type, args.slot[j] * args.width + d);
      }
      if (args.accumulate) sum += load(args.y, args.y_type, n * args.width + d);
      store(args.y, args.y_type, n * args.width + d, static_cast<float>(sum));
    }
  }
}

void combine_backward(const CombineBackwardArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    for (int64_t j = n * args.top_k; j < (n + 1) * args.top_k; ++j) {
      const int64_t i = args.slot[j];
      const float weight = args.weight == nullptr ? 1.0f : args.weight[j];
      double sum = 0;
      for (int64_t d = 0; i >= 0 && d < args.width; ++d) {
        const float dy = load(args.dy, args.y_type, n * args.width + d);
        if (args.dweight != nullptr) {
          sum += double{dy} * load(args.x, args.x_type, i * args.width + d);
        }
        store(args.dx, args.x_type, i * args.width + d, weight * dy);
      }
      if (args.dweight != nullptr) args.dweight[j] = static_cast<float>(sum);
    }
  }
}

}  // namespace cadre::kernels::scalar
