#include "core/kernels/cpu/loops/cross_entropy.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

void cross_entropy(const CrossEntropyArgs& args, Range rows) noexcept {
  loops::cross_entropy<F32x16>(args, rows);
}

}  // namespace cadre::kernels::avx512
