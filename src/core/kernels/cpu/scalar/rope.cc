#include "core/kernels/rope.h"

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {

void rope(const RopeArgs& args, Range rows) noexcept {
  const int64_t half = args.rotary_dim / 2;
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const float* cosine = args.cosine + args.positions[n] * half;
    const float* sine = args.sine + args.positions[n] * half;
    for (int64_t h = 0; h < args.num_heads; ++h) {
      const int64_t head = (n * args.num_heads + h) * args.head_dim;
      for (int64_t i = 0; i < half; ++i) {
        const double s = args.inverse ? -sine[i] : sine[i];
        const double low = load(args.x, args.type, head + i);
        const double high = load(args.x, args.type, head + half + i);
        store(args.y, args.type, head + i, static_cast<float>(low * cosine[i] - high * s));
        store(args.y, args.type, head + half + i, static_cast<float>(high * cosine[i] + low * s));
      }
      for (int64_t i = args.rotary_dim; i < args.head_dim; ++i) {
        store(args.y, args.type, head + i, load(args.x, args.type, head + i));
      }
    }
  }
}

}  // namespace cadre::kernels::scalar
