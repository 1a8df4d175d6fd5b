#include "core/kernels/peak.h"

#include <immintrin.h>

#include "core/kernels/cpu/amx/kernels.h"
#include "core/kernels/cpu/amx/tiles.h"

namespace cadre::kernels::amx {

// Four independent tiles of sums, as in gemm.
int64_t peak_bf16(int64_t flops) noexcept {
  configure_tiles();
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  int64_t done = 0;
  for (; done < flops; done += 4 * 2 * 16 * 16 * 32) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return done;
}

}  // namespace cadre::kernels::amx
