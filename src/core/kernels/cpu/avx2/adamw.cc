#include "core/kernels/cpu/loops/adamw.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void adamw(const AdamWArgs& args, Range elements) noexcept { loops::adamw<F32x8>(args, elements); }

}  // namespace cadre::kernels::avx2
