#include "core/kernels/cpu/loops/round_blocks.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void round_blocks(const RoundBlocksArgs& args, Range blocks) noexcept {
  loops::round_blocks<F32x8>(args, blocks);
}

}  // namespace cadre::kernels::avx2
