#include "core/kernels/cpu/loops/rope.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

void rope(const RopeArgs& args, Range rows) noexcept { loops::rope<F32x16>(args, rows); }

}  // namespace cadre::kernels::avx512
