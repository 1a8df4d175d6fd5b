#include "core/kernels/cpu/loops/cross_entropy.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void cross_entropy(const CrossEntropyArgs& args, Range rows) noexcept {
  loops::cross_entropy<F32x8>(args, rows);
}

}  // namespace cadre::kernels::avx2
