#include "core/kernels/rms_norm.h"

#include <cmath>

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {

void rms_norm(const RmsNormArgs& args, Range rows) noexcept {
  const int64_t width = args.hidden_size;
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    double squares = 0;
    for (int64_t i = 0; i < width; ++i) {
      const double x = load(args.x, args.x_type, n * width + i);
      squares += x * x;
    }
    const auto r = static_cast<float>(1.0 / std::sqrt(squares / width + args.eps));
    for (int64_t i = 0; i < width; ++i) {
      const float x = load(args.x, args.x_type, n * width + i);
      store(args.y, args.y_type, n * width + i, x * r * args.weight[i]);
    }
    if (args.inverse_rms != nullptr) args.inverse_rms[n] = r;
  }
}

void rms_norm_backward(const RmsNormBackwardArgs& args, Range rows) noexcept {
  const int64_t width = args.hidden_size;
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    double products = 0;
    for (int64_t i = 0; i < width; ++i) {
      const double g = double{load(args.dy, args.y_type, n * width + i)} * args.weight[i];
      products += g * load(args.x, args.x_type, n * width + i);
    }
    const double r = args.inverse_rms[n];
    const double slope = r * r * products / width;
    for (int64_t i = 0; i < width; ++i) {
      const int64_t at = n * width + i;
      const double g = double{load(args.dy, args.y_type, at)} * args.weight[i];
      double dx = r * (g - load(args.x, args.x_type, at) * slope);
      if (args.accumulate) dx += load(args.dx, args.x_type, at);
      store(args.dx, args.x_type, at, static_cast<float>(dx));
    }
  }
}

void rms_norm_backward_weight(const RmsNormBackwardArgs& args, Range columns) noexcept {
  for (int64_t i = columns.begin; i < columns.end; ++i) {
    double sum = 0;
    for (int64_t n = 0; n < args.num_rows; ++n) {
      const int64_t at = n * args.hidden_size + i;
      sum += double{load(args.dy, args.y_type, at)} * load(args.x, args.x_type, at) *
             args.inverse_rms[n];
    }
    if (args.accumulate_weight) sum += args.dweight[i];
    args.dweight[i] = static_cast<float>(sum);
  }
}

}  // namespace cadre::kernels::scalar
