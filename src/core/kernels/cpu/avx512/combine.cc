#include "core/kernels/cpu/loops/combine.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

void combine(const CombineArgs& args, Range rows) noexcept { loops::combine<F32x16>(args, rows); }

void combine_backward(const CombineBackwardArgs& args, Range rows) noexcept {
  loops::combine_backward<F32x16>(args, rows);
}

}  // namespace cadre::kernels::avx512
