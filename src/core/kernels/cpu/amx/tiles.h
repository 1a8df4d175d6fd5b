// The tile registers: eight of 16 rows of 64 bytes, the only shape we use.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace cadre::kernels::amx {
namespace {

struct TileConfiguration {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// State of the running thread; _tile_release() ends it.
void configure_tiles() {
  alignas(64) TileConfiguration configuration = {};
  configuration.palette = 1;
  for (int i = 0; i < 8; ++i) {
    configuration.row_bytes[i] = 64;
    configuration.rows[i] = 16;
  }
  asm volatile("ldtilecfg %0" : : "m"(configuration));
}

}  // namespace
}  // namespace cadre::kernels::amx
