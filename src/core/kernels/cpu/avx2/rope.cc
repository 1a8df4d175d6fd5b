#include "core/kernels/cpu/loops/rope.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void rope(const RopeArgs& args, Range rows) noexcept { loops::rope<F32x8>(args, rows); }

}  // namespace cadre::kernels::avx2
