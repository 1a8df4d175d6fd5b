// Products of few rows with a factor whose k is contiguous, such as weights: memory is the bound.
#pragma once

#include <cstdint>

#include "core/kernels/gemm.h"

namespace cadre::kernels::amx {

// How many of the first columns of c multiply_in_place() takes, a multiple of 16; 0 if it is not
// for this product.
int64_t columns_in_place(const GemmArgs& args) noexcept;

// Computes columns [0, columns) of c, columns being columns_in_place(args) and not 0. Tiles load
// rows of b where they lie, as a left factor, so that each line of it is read once, if rows begin
// on lines, and copied nowhere; the bits are those of every other way. Tiles must be configured.
void multiply_in_place(const GemmArgs& args, int64_t columns) noexcept;

}  // namespace cadre::kernels::amx
