// Weights of compressed-tensors' format "pack-quantized": integers of 4 or 8 bits in words of 32.
//
//   NAME_packed      i32 [rows, columns * bits / 32]  q + 2^(bits-1), from the lowest bits up
//   NAME_scale       f32, bf16 or f16 [rows, groups]  of columns / groups columns each
//   NAME_shape       i64 [2]                          rows, columns
//   NAME_zero_point  i32 [rows * bits / 32, groups]   packed along rows; none if symmetric
//
//   w = (q - zero) * scale, rounded once to the type of the scale
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/io/tensor_source.h"

namespace cadre::io {

// The same tensors, where those four are one tensor NAME. Where scales are bf16 or f16, groups are
// multiples of 32 columns and there is no zero point, it is one of blocks, q4_0 or q8_0, so that
// kernels compute with it as it is: with the same values, except that bf16 scales below 2^-17 are
// rounded to multiples of 2^-24. Else it is in the type of the scale. Both are made anew
// (TensorSource::is_made); blocks() keeps what it has made until release(). Throws
// Error(corrupt_data or unsupported), naming file and tensor, for shapes, types and bits that do
// not belong together, columns in another order (NAME_g_idx), and a NAME that is there already;
// blocks() does for scales beyond f16.
std::shared_ptr<const TensorSource> with_packed_integers(
    std::shared_ptr<const TensorSource> source);

// Bytes of rows of `width` integers of 4 or 8 bits, each from -2^(bits-1); whole words.
std::vector<std::byte> pack_integers(std::span<const int8_t> quants, int64_t width, int bits);

}  // namespace cadre::io
