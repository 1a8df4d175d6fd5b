#include "core/kernels/cpu/loops/dequantise_rows.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

void dequantise_rows(const DequantiseRowsArgs& args, Range rows) noexcept {
  loops::dequantise_rows<F32x16>(args, rows);
}

}  // namespace cadre::kernels::avx512
