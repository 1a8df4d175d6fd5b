#include "core/kernels/gemm.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"
#include "core/kernels/cpu/loops/gemm.h"

namespace cadre::kernels::avx2 {
namespace {

// 6 x 16: twelve sums, two vectors of b and a broadcast fill the sixteen registers.
struct Isa {
  using Vector = F32x8;
  static constexpr int64_t kWidth = 8;
  static constexpr int64_t kRows = 6;
  static constexpr int64_t kVectors = 2;

  static void transpose(F32x8 (&x)[8]) {
    __m256 pair[8], quad[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      pair[i] = _mm256_unpacklo_ps(x[i].lanes, x[i + 1].lanes);
      pair[i + 1] = _mm256_unpackhi_ps(x[i].lanes, x[i + 1].lanes);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
      quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
      quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
      quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      x[i].lanes = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20);
      x[i + 4].lanes = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31);
    }
  }
};

}  // namespace

void gemm(const GemmArgs& args) noexcept {
  if (args.type == DType::f32) {
    loops::Gemm<loops::SingleMath<Isa, float>>(args).run();
  } else {
    loops::Gemm<loops::SingleMath<Isa, bf16>>(args).run();
  }
}

}  // namespace cadre::kernels::avx2
