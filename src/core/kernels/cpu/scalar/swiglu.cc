#include "core/kernels/swiglu.h"

#include <cmath>

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {

void swiglu(const SwigluArgs& args, Range rows) noexcept {
  const int64_t width = args.width;
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    for (int64_t i = 0; i < width; ++i) {
      const double gate = load(args.x, args.type, n * 2 * width + i);
      const double up = load(args.x, args.type, n * 2 * width + width + i);
      const double y = gate / (1.0 + std::exp(-gate)) * up;
      store(args.y, args.type, n * width + i, static_cast<float>(y));
    }
  }
}

// silu'(z) = s * (1 + z * (1 - s)), s = 1 / (1 + exp(-z))
void swiglu_backward(const SwigluArgs& args, Range rows) noexcept {
  const int64_t width = args.width;
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    for (int64_t i = 0; i < width; ++i) {
      const int64_t at = n * 2 * width + i;
      const double gate = load(args.x, args.type, at);
      const double up = load(args.x, args.type, at + width);
      const double dy = load(args.dy, args.type, n * width + i);
      const double s = 1.0 / (1.0 + std::exp(-gate));
      store(args.dx, args.type, at, static_cast<float>(dy * up * s * (1.0 + gate * (1.0 - s))));
      store(args.dx, args.type, at + width, static_cast<float>(dy * gate * s));
    }
  }
}

}  // namespace cadre::kernels::scalar
