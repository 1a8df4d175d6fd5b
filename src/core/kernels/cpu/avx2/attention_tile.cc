#include "core/kernels/cpu/loops/attention_tile.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void attention_tile(const AttentionTileArgs& args, Range rows) noexcept {
  loops::attention_tile<F32x8>(args, rows);
}

void attention_tile_backward(const AttentionTileBackwardArgs& args, Range rows) noexcept {
  loops::attention_tile_backward<F32x8>(args, rows);
}

}  // namespace cadre::kernels::avx2
