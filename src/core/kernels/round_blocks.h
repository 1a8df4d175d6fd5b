// Rounds f32 to the blocks of core/tensor/blocks.h, searching for the scales that lose least.
//
// Each block minimises   sum over i of  importance[i] * (x_i - y_i)^2   where y is what
// dequantise() makes of it. The search is a descent from several starts, for the problem has many
// local minima:
//
//   1. Each part of a block (32 or 16 values that share a scale) is fitted on its own. A start is a
//      scale that stretches the range of the integers over a little less or a little more than the
//      range of the values; then integers for the scale and least squares for scale (and minimum)
//      take turns while the error falls.
//   2. In the K formats the parts' scales are integers times a scale of the block. For several such
//      scales, each part takes the best of the integers next to its own optimum; then least squares
//      over the block gives a better scale, and so on while the error falls.
//
// The idea of refitting scales to fixed integers is that of Lloyd's algorithm (IEEE Trans. Inf.
// Theory 28, 1982) and of weighted block formats since. All arithmetic is in f32 without fused
// operations, in eight lanes whose sum has one order, so every table gives the same bits.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/blocks.h"

namespace cadre::kernels {

// Every BlockType can be rounded to. Values beyond f16 times the largest integers are clipped; a
// block with a value that is not finite has some integers and scales.
struct RoundBlocksArgs {
  const float* x;  // of whole blocks, end to end
  // Of each column of a row of `width` values, at least 0; null: all alike. Only ratios within a
  // block count.
  const float* importance;
  int64_t first_column;  // of block 0, a multiple of the block
  int64_t width;         // a multiple of the block
  void* blocks;
  BlockType type;
};
using RoundBlocksFn = void(const RoundBlocksArgs& args, Range blocks) noexcept;

// What a block says, before it is packed. `quants` are as the format stores them, not negative but
// for q8_0; scales of q3_k are stored without their offset of 32.
struct BlockCodes {
  float scale;    // d, an f16
  float minimum;  // m, an f16
  int part_scale[16];
  int part_minimum[16];
  int quants[256];
};

// Packs a block as core/kernels/quantise.h describes it: the inverse of dequantise().
void write_block(BlockType type, const BlockCodes& codes, uint8_t* block) noexcept;
// The nearest f16, at most the largest finite one in magnitude.
float nearest_f16(float x) noexcept;

}  // namespace cadre::kernels
