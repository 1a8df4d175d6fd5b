// Integers of 4 or 8 bits with a scale for each group of a row, and a zero point if asked for:
//
//   w = scale * (q - zero),   q and zero in [-2^(bits-1), 2^(bits-1) - 1];   symmetric: zero = 0
//
// as compressed-tensors stores them. Each group minimises sum of importance[i] * error^2: from
// several starts, integers for the scale and least squares for the scale take turns while the error
// falls. Scales are bf16 numbers that f16 holds too, unless they are beyond its range.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ops/context.h"

namespace cadre::quant {

struct GroupFormat {
  int bits = 4;        // 4 or 8
  int64_t group = 32;  // columns that share a scale
  bool symmetric = true;
};

struct GroupedIntegers {
  std::vector<int8_t> quants;  // [rows, width]
  std::vector<float> scales;   // [rows, width / group]
  std::vector<int8_t> zeros;   // likewise; empty if symmetric
};

// x is [rows, width]; the width is a multiple of the group; importance is of each column, or empty.
// The same bits with any number of threads. What is not finite gets some integer.
GroupedIntegers round_groups(Context& ctx, std::span<const float> x, int64_t width,
                             std::span<const float> importance, const GroupFormat& format);

}  // namespace cadre::quant
