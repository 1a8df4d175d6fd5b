#include "core/kernels/cpu/loops/attention_tile.h"

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {

void attention_tile(const AttentionTileArgs& args, Range rows) noexcept {
  loops::attention_tile<F32x16>(args, rows);
}

void attention_tile_backward(const AttentionTileBackwardArgs& args, Range rows) noexcept {
  loops::attention_tile_backward<F32x16>(args, rows);
}

}  // namespace cadre::kernels::avx512
