#include "core/kernels/cpu/loops/swiglu.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void swiglu(const SwigluArgs& args, Range rows) noexcept { loops::swiglu<F32x8>(args, rows); }

void swiglu_backward(const SwigluArgs& args, Range rows) noexcept {
  loops::swiglu_backward<F32x8>(args, rows);
}

}  // namespace cadre::kernels::avx2
