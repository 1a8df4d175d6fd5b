// The way of finished sums from tiles to c.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/kernels/gemm.h"

namespace cadre::kernels::amx {

// A block of sums as multiply() and multiply_in_place() leave it. Its first row and column are
// those of the product of left and right factor, which is c, or c transposed.
struct FinishArgs {
  const GemmArgs* gemm;
  bool transposed;
  bool past_caches;  // write whole lines of c directly to memory; an sfence must follow
  const std::byte* sums;
  int64_t left_tiles;
  int64_t right_tiles;
  int64_t first_left;
  int64_t first_right;
};

// Converts, adds what c holds if gemm->accumulate, and writes the part of the block inside of c.
void finish(const FinishArgs& args) noexcept;

}  // namespace cadre::kernels::amx
