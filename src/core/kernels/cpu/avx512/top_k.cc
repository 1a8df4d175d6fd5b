#include "core/kernels/cpu/loops/top_k.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::avx512 {

void top_k(const TopKArgs& args, Range rows) noexcept {
  if (args.num_experts > loops::kTopKExperts) return scalar::top_k(args, rows);
  loops::top_k<F32x16>(args, rows);
}

}  // namespace cadre::kernels::avx512
