#include "core/kernels/rows.h"

#include <cmath>

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {

void add_bias(const AddBiasArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    for (int64_t i = 0; i < args.width; ++i) {
      const int64_t at = n * args.width + i;
      store(args.y, args.y_type, at, load(args.x, args.x_type, at) + args.bias[i]);
    }
  }
}

void sum_rows(const SumRowsArgs& args, Range columns) noexcept {
  for (int64_t i = columns.begin; i < columns.end; ++i) {
    double sum = 0;
    for (int64_t n = 0; n < args.num_rows; ++n) {
      sum += load(args.x, args.x_type, n * args.width + i);
    }
    if (args.accumulate) sum += args.sum[i];
    args.sum[i] = static_cast<float>(sum);
  }
}

void center_rows(const CenterRowsArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    double sum = 0;
    for (int64_t i = 0; i < args.width; ++i) sum += load(args.x, args.x_type, n * args.width + i);
    const double mean = sum / static_cast<double>(args.width);
    for (int64_t i = 0; i < args.width; ++i) {
      const int64_t at = n * args.width + i;
      store(args.y, args.y_type, at, static_cast<float>(load(args.x, args.x_type, at) - mean));
    }
  }
}

void sigmoid_gate(const SigmoidGateArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const double s = 1.0 / (1.0 + std::exp(-double{args.gate[n]}));
    for (int64_t i = 0; i < args.width; ++i) {
      const int64_t at = n * args.width + i;
      store(args.y, args.type, at, static_cast<float>(s * load(args.x, args.type, at)));
    }
  }
}

void sigmoid_gate_backward(const SigmoidGateArgs& args, Range rows) noexcept {
  for (int64_t n = rows.begin; n < rows.end; ++n) {
    const double s = 1.0 / (1.0 + std::exp(-double{args.gate[n]}));
    double sum = 0;
    for (int64_t i = 0; i < args.width; ++i) {
      const int64_t at = n * args.width + i;
      const double dy = load(args.dy, args.type, at);
      sum += dy * load(args.x, args.type, at);
      store(args.dx, args.type, at, static_cast<float>(s * dy));
    }
    args.dgate[n] = static_cast<float>(s * (1.0 - s) * sum);
  }
}

}  // namespace cadre::kernels::scalar
