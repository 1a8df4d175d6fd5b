#include "core/kernels/cpu/loops/dequantise_rows.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void dequantise_rows(const DequantiseRowsArgs& args, Range rows) noexcept {
  loops::dequantise_rows<F32x8>(args, rows);
}

}  // namespace cadre::kernels::avx2
