#include "core/kernels/cpu/loops/rms_norm.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

void rms_norm(const RmsNormArgs& args, Range rows) noexcept { loops::rms_norm<F32x16>(args, rows); }

void rms_norm_backward(const RmsNormBackwardArgs& args, Range rows) noexcept {
  loops::rms_norm_backward<F32x16>(args, rows);
}

void rms_norm_backward_weight(const RmsNormBackwardArgs& args, Range columns) noexcept {
  loops::rms_norm_backward_weight<F32x16>(args, columns);
}

}  // namespace cadre::kernels::avx512
