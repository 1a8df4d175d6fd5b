#include "core/kernels/adamw.h"

#include <cmath>

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {

void adamw(const AdamWArgs& args, Range elements) noexcept {
  const float decay = 1.0f - args.learning_rate * args.weight_decay;
  const float rate = args.learning_rate / args.correction1;
  const float spread = 1.0f / std::sqrt(args.correction2);
  for (int64_t i = elements.begin; i < elements.end; ++i) {
    const float g = args.gradient[i] * args.gradient_scale;
    const float m = args.beta1 * args.m[i] + (1.0f - args.beta1) * g;
    const float v = args.beta2 * args.v[i] + (1.0f - args.beta2) * (g * g);
    const float w = args.weight[i] * decay - rate * m / (std::sqrt(v) * spread + args.eps);
    args.m[i] = m;
    args.v[i] = v;
    args.weight[i] = w;
    if (args.copy != nullptr) store(args.copy, args.copy_type, i, w);
  }
}

}  // namespace cadre::kernels::scalar
