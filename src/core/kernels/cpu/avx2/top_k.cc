#include "core/kernels/cpu/loops/top_k.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::avx2 {

void top_k(const TopKArgs& args, Range rows) noexcept {
  if (args.num_experts > loops::kTopKExperts) return scalar::top_k(args, rows);
  loops::top_k<F32x8>(args, rows);
}

}  // namespace cadre::kernels::avx2
