#include "core/kernels/cpu/loops/combine.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void combine(const CombineArgs& args, Range rows) noexcept { loops::combine<F32x8>(args, rows); }

void combine_backward(const CombineBackwardArgs& args, Range rows) noexcept {
  loops::combine_backward<F32x8>(args, rows);
}

}  // namespace cadre::kernels::avx2
