#include "core/kernels/gemm.h"

#include "core/kernels/cpu/avx512/gemm_isa.h"
#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/gemm.h"

namespace cadre::kernels::avx512 {

void gemm(const GemmArgs& args) noexcept {
  if (args.type == DType::f32) {
    loops::Gemm<loops::SingleMath<GemmIsa, float>>(args).run();
  } else {
    loops::Gemm<loops::SingleMath<GemmIsa, bf16>>(args).run();
  }
}

}  // namespace cadre::kernels::avx512
