#include "core/kernels/peak.h"

#include <immintrin.h>

#include "core/kernels/cpu/amx/kernels.h"
#include "core/kernels/cpu/amx/tiles.h"

namespace cadre::kernels::amx {

namespace {

// Four tiles, end to end, into the registers 4 to 7.
void load_operands(const void* operands) {
  const auto* tiles = static_cast<const std::byte*>(operands);
  configure_tiles();
  load_tile<4>(tiles);
  load_tile<5>(tiles + kTileBytes);
  load_tile<6>(tiles + 2 * kTileBytes);
  load_tile<7>(tiles + 3 * kTileBytes);
}

template <int kSum, int kLeft, int kRight>
inline void multiply_bytes() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kLeft), "i"(kRight));
}

}  // namespace

// Four independent chains of sums. The operands are not zero but look random, as real ones do: the
// more bits change, the more power the multiplier takes, and the lower its clock.
int64_t peak_bf16(int64_t flops) noexcept {
  alignas(64) uint16_t operands[4][512];
  uint32_t state = 1;
  for (auto& tile : operands) {
    for (uint16_t& x : tile) {
      state = state * 1664525u + 1013904223u;
      // Either sign, magnitude between 1/32 and 1, random fraction.
      x = static_cast<uint16_t>((state >> 16 & 0x8000u) | (0x3d00u + (state >> 20 & 0x027fu)));
    }
  }
  load_operands(operands);
  int64_t done = 0;
  for (; done < flops; done += 4 * 2 * 16 * 16 * 32) {
    multiply_tiles<0, 4, 6>();
    multiply_tiles<1, 4, 7>();
    multiply_tiles<2, 5, 6>();
    multiply_tiles<3, 5, 7>();
  }
  release_tiles();
  return done;
}

int64_t peak_i8(int64_t flops) noexcept {
  alignas(64) uint32_t operands[4][256];
  uint32_t state = 1;
  for (auto& tile : operands) {
    for (uint32_t& x : tile) x = state = state * 1664525u + 1013904223u;
  }
  load_operands(operands);
  int64_t done = 0;
  for (; done < flops; done += 4 * 2 * 16 * 16 * 64) {
    multiply_bytes<0, 4, 6>();
    multiply_bytes<1, 4, 7>();
    multiply_bytes<2, 5, 6>();
    multiply_bytes<3, 5, 7>();
  }
  release_tiles();
  return done;
}

}  // namespace cadre::kernels::amx
