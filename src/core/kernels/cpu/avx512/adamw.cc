#include "core/kernels/cpu/loops/adamw.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

void adamw(const AdamWArgs& args, Range elements) noexcept { loops::adamw<F32x16>(args, elements); }

}  // namespace cadre::kernels::avx512
