#include "core/kernels/cpu/loops/rms_norm.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void rms_norm(const RmsNormArgs& args, Range rows) noexcept { loops::rms_norm<F32x8>(args, rows); }

void rms_norm_backward(const RmsNormBackwardArgs& args, Range rows) noexcept {
  loops::rms_norm_backward<F32x8>(args, rows);
}

void rms_norm_backward_weight(const RmsNormBackwardArgs& args, Range columns) noexcept {
  loops::rms_norm_backward_weight<F32x8>(args, columns);
}

}  // namespace cadre::kernels::avx2
