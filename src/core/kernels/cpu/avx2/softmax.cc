#include "core/kernels/cpu/loops/softmax.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void softmax(const SoftmaxArgs& args, Range rows) noexcept { loops::softmax<F32x8>(args, rows); }

void softmax_backward(const SoftmaxBackwardArgs& args, Range rows) noexcept {
  loops::softmax_backward<F32x8>(args, rows);
}

}  // namespace cadre::kernels::avx2
