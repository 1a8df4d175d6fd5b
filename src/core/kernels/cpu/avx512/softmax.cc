#include "core/kernels/cpu/loops/softmax.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

void softmax(const SoftmaxArgs& args, Range rows) noexcept { loops::softmax<F32x16>(args, rows); }

void softmax_backward(const SoftmaxBackwardArgs& args, Range rows) noexcept {
  loops::softmax_backward<F32x16>(args, rows);
}

}  // namespace cadre::kernels::avx512
