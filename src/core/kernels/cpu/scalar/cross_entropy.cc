#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"
#include "core/kernels/softmax.h"

namespace cadre::kernels::scalar {

void cross_entropy(const CrossEntropyArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const float* z = args.z + n * args.z_stride;
    const int32_t target = args.targets[n];
    float top = std::numeric_limits<float>::lowest();
    for (int64_t v = 0; v < args.vocab_size; ++v) top = std::max(top, z[v]);
    double sum = 0;
    for (int64_t v = 0; v < args.vocab_size; ++v) sum += std::exp(double{z[v]} - top);
    const double lse = top + std::log(sum);
    args.loss[n] = target < 0 ? 0.0f : static_cast<float>(lse - z[target]);
    if (args.lse != nullptr) args.lse[n] = static_cast<float>(lse);
    if (args.dz == nullptr) continue;
    for (int64_t v = 0; v < args.vocab_size; ++v) {
      const double p = std::exp(double{z[v]} - top) / sum;
      const double dz = target < 0 ? 0.0 : args.weight[n] * (p - (v == target ? 1.0 : 0.0));
      store(args.dz, args.dz_type, n * args.dz_stride + v, static_cast<float>(dz));
    }
  }
}

}  // namespace cadre::kernels::scalar
