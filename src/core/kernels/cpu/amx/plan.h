// Which of the ways to compute a product from packed tiles costs least. Every way gives the same
// bits.
#pragma once

#include <cstdint>

#include "core/kernels/cpu/amx/pack.h"
#include "core/kernels/gemm.h"

namespace cadre::kernels::amx {

// One factor is resident: a block of it is packed once and stays in the second-level cache. The
// other is streamed: packed unit by unit, each meeting the whole resident block while the next unit
// is packed in between. A left factor that lies in place is not packed, in either role.
struct Plan {
  bool transposed;     // left = b transposed, right = a transposed: tiles hold c transposed
  bool resident_left;  // else the right factor is resident
  Factor left, right;
  bool left_in_place;      // tiles load it where it lies: small, whole tiles, rows side by side
  int64_t chunk;           // steps of k packed at a time, a multiple of 32
  int64_t resident_block;  // lanes
  int64_t streamed_block;  // lanes that go through all chunks before the next
  int64_t streamed_unit;   // lanes, whole groups
  double cycles;           // estimated
};

// Bounds on what a plan keeps in scratch.
constexpr int64_t kMaxChunk = 2048;
constexpr int64_t kResidentBytes = 1 << 20;
constexpr int64_t kStreamedBytes = 3 << 17;  // of each of two units
constexpr int64_t kWaitingBytes = 3 << 19;   // sums between chunks
static_assert(kResidentBytes + 2 * kStreamedBytes + kWaitingBytes + kBlockBytes <=
              kGemmScratchBytes);

// m, n >= 1.
Plan choose_plan(const GemmArgs& args) noexcept;

}  // namespace cadre::kernels::amx
