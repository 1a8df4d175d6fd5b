// Products of few rows with a factor whose k is contiguous, such as weights: memory is the bound.
#pragma once

#include "core/kernels/gemm.h"

namespace cadre::kernels::amx {

// Whether multiply_in_place() takes the first columns of c, and how many of them.
int64_t columns_in_place(const GemmArgs& args) noexcept;

// Computes columns [0, columns) of c. Tiles load rows of b where they lie, as a left factor, so
// that each line of it is read once and copied nowhere; the bits are those of every other way.
// Tiles must be configured.
void multiply_in_place(const GemmArgs& args, int64_t columns) noexcept;

}  // namespace cadre::kernels::amx
