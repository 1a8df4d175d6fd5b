// Arrays of quantised blocks to elements and back, divided among threads.
#pragma once

#include <cstddef>
#include <span>

#include "core/base/range.h"
#include "core/ops/context.h"
#include "core/tensor/blocks.h"

namespace cadre::ops {

// The values [elements.begin, elements.end) of an array of blocks, as f32, bf16 or f16: to has
// elements.size() of them. The range need not begin or end with a block.
void dequantise(Context& ctx, std::span<const std::byte> blocks, BlockType type, Range elements,
                DType to_type, void* to);

// The blocks of an array of x.size() values, whole blocks, for types of which kernels::can_quantise
// is true. `blocks` has exactly their bytes.
void quantise(Context& ctx, std::span<const float> x, BlockType type, std::span<std::byte> blocks);

// The same for every type, searching for the scales that lose least (core/kernels/round_blocks.h).
// x begins at column first_column of a row of `width`; importance is of each column, or empty.
struct RoundOptions {
  int64_t width = 0;
  int64_t first_column = 0;
  std::span<const float> importance = {};
};
void round_blocks(Context& ctx, std::span<const float> x, BlockType type,
                  const RoundOptions& options, std::span<std::byte> blocks);

}  // namespace cadre::ops
