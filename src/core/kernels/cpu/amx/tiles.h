// The tile registers: eight of 16 rows of 64 bytes, the only shape we use. As a factor a tile holds
// 32 steps of k: on the left 16 rows of 32 bf16, on the right 16 pairs of k by 16 columns.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace cadre::kernels::amx {

constexpr int64_t kTileWidth = 16;  // rows of the left factor, columns of the right one
constexpr int64_t kTileDepth = 32;  // steps of k
constexpr int64_t kTileBytes = 1024;

namespace {

struct TileConfiguration {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// State of the running thread, which release_tiles() ends.
inline void configure_tiles() {
  alignas(64) TileConfiguration configuration = {};
  configuration.palette = 1;
  for (int i = 0; i < 8; ++i) {
    configuration.row_bytes[i] = 64;
    configuration.rows[i] = 16;
  }
  asm volatile("ldtilecfg %0" : : "m"(configuration));
}

inline void release_tiles() { asm volatile("tilerelease"); }

// Instead of the compiler's intrinsics, which do not say that they read memory. Rows lie
// `row_bytes` apart.
template <int kTile>
inline void load_tile(const std::byte* from, int64_t row_bytes = 64) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0"
               :
               : "i"(kTile), "r"(from), "r"(row_bytes)
               : "memory");
}

template <int kTile>
inline void store_tile(std::byte* to, int64_t row_bytes = 64) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)" : : "i"(kTile), "r"(to), "r"(row_bytes) : "memory");
}

template <int kTile>
inline void zero_tile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
}

// sum += left * right
template <int kSum, int kLeft, int kRight>
inline void multiply_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kLeft), "i"(kRight));
}

}  // namespace
}  // namespace cadre::kernels::amx
