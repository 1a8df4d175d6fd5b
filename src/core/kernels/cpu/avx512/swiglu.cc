#include "core/kernels/cpu/loops/swiglu.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

void swiglu(const SwigluArgs& args, Range rows) noexcept { loops::swiglu<F32x16>(args, rows); }

void swiglu_backward(const SwigluArgs& args, Range rows) noexcept {
  loops::swiglu_backward<F32x16>(args, rows);
}

}  // namespace cadre::kernels::avx512
