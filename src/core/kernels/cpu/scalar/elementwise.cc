#include "core/kernels/elementwise.h"

#include <algorithm>
#include <cmath>

#include "core/base/random.h"
#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {

void cast(const CastArgs& args, Range elements) noexcept {
  for (int64_t i = elements.begin; i < elements.end; ++i) {
    store(args.y, args.y_type, i, load(args.x, args.x_type, i));
  }
}

void add(const AddArgs& args, Range elements) noexcept {
  for (int64_t i = elements.begin; i < elements.end; ++i) {
    const double a = load(args.a, args.a_type, i);
    const double b = args.b == nullptr ? 0.0 : load(args.b, args.b_type, i);
    store(args.y, args.y_type, i, static_cast<float>(args.alpha * a + args.beta * b));
  }
}

void clamp(const ClampArgs& args, Range elements) noexcept {
  for (int64_t i = elements.begin; i < elements.end; ++i) {
    const float x = load(args.x, args.type, i);
    if (args.dy != nullptr) {
      const bool inside = std::fabs(x) <= args.limit;
      store(args.y, args.type, i, inside ? load(args.dy, args.type, i) : 0.0f);
    } else {
      store(args.y, args.type, i, std::min(std::max(x, -args.limit), args.limit));
    }
  }
}

void dropout(const DropoutArgs& args, Range elements) noexcept {
  const RandomStream random(args.seed, args.stream);
  const float scale = 1.0f / (1.0f - args.probability);
  for (int64_t i = elements.begin; i < elements.end; ++i) {
    const bool keep = random.uniform_at(args.offset + i) >= args.probability;
    store(args.y, args.type, i, keep ? load(args.x, args.type, i) * scale : 0.0f);
  }
}

double sum_squares(const float* x, Range elements) noexcept {
  double sum = 0;
  for (int64_t i = elements.begin; i < elements.end; ++i) sum += double{x[i]} * x[i];
  return sum;
}

}  // namespace cadre::kernels::scalar
