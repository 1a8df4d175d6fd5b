#include "core/kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {

void softmax(const SoftmaxArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const float* z = args.z + n * args.width;
    float* p = args.p + n * args.width;
    float top = std::numeric_limits<float>::lowest();
    for (int64_t e = 0; e < args.width; ++e) top = std::max(top, z[e]);
    double sum = 0;
    for (int64_t e = 0; e < args.width; ++e) sum += std::exp(double{z[e]} - top);
    const double inverse = sum == 0 ? 0.0 : 1.0 / sum;
    for (int64_t e = 0; e < args.width; ++e) {
      p[e] = static_cast<float>(std::exp(double{z[e]} - top) * inverse);
    }
    if (args.lse != nullptr) args.lse[n] = static_cast<float>(top + std::log(sum));
  }
}

void softmax_backward(const SoftmaxBackwardArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const float* p = args.p + n * args.width;
    const float* dp = args.dp + n * args.width;
    float* dz = args.dz + n * args.width;
    double mean = 0;
    for (int64_t e = 0; e < args.width; ++e) mean += double{p[e]} * dp[e];
    for (int64_t e = 0; e < args.width; ++e) dz[e] = static_cast<float>(p[e] * (dp[e] - mean));
  }
}

}  // namespace cadre::kernels::scalar
