#include "core/kernels/gemm.h"

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {

void gemm(const GemmArgs& args) noexcept {
  for (int64_t i = 0; i < args.m; ++i) {
    for (int64_t j = 0; j < args.n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < args.k; ++p) {
        const int64_t a = args.a_transposed ? p * args.a_stride + i : i * args.a_stride + p;
        const int64_t b = args.b_transposed ? j * args.b_stride + p : p * args.b_stride + j;
        sum += static_cast<double>(load(args.a, args.type, a)) * load(args.b, args.type, b);
      }
      const int64_t c = i * args.c_stride + j;
      if (args.accumulate) sum += load(args.c, args.c_type, c);
      store(args.c, args.c_type, c, static_cast<float>(sum));
    }
  }
}

}  // namespace cadre::kernels::scalar
