// Between f32 and the blocks of core/tensor/blocks.h. Ranges count blocks.
//
// Below d, m, s are f16 or small integers of the block; q are its packed integers; i runs over the
// block. Fields stand in memory in the order of the lists.
//
//   q8_0  d, q[32] int8              x_i = q_i d
//   q4_0  d, q[16] bytes             x_i = (q_i - 8) d       low halves are values 0-15, high 16-31
//   q4_1  d, m, q[16]                x_i = q_i d + m
//   q5_0  d, h[4], q[16]             x_i = (q_i - 16) d      h holds the fifth bits
//   q5_1  d, m, h[4], q[16]          x_i = q_i d + m
//   q2_k  s[16], q[64], d, m         x_i = d s_j q_i - m t_j        s_j, t_j: the halves of s
//   q3_k  h[32], q[64], s[12], d     x_i = d (s_j - 32) (q_i - 4 [h_i = 0])
//   q4_k  d, m, s[12], q[128]        x_i = d s_j q_i - m t_j        s_j, t_j of 6 bits, packed
//   q5_k  d, m, s[12], h[32], q[128] the same with a fifth bit
//   q6_k  q[128], h[64], s[16], d    x_i = d s_j (q_i - 32)
//
// j counts the parts of 16 (q2_k, q3_k, q6_k) or 32 (q4_k, q5_k) values of a block. Products and
// sums are rounded to f32 one by one, left to right: bit for bit what the gguf package computes.
#pragma once

#include "core/base/range.h"
#include "core/tensor/blocks.h"

namespace cadre::kernels {

struct DequantiseArgs {
  const void* blocks;  // of any alignment
  BlockType type;
  float* y;
};
using DequantiseFn = void(const DequantiseArgs& args, Range blocks) noexcept;

// The scale is the largest magnitude over 127 (q8_0, rounded to nearest, halves away from zero) or
// the value of largest magnitude over -8 (q4_0, the first of several; floor(x / d + 8.5), at most
// 15). Quotients are products with the f32 reciprocal of the scale before it becomes f16, as in
// ggml's reference. NaN becomes the lowest integer.
struct QuantiseArgs {
  const float* x;
  void* blocks;
  BlockType type;  // can_quantise(type)
};
using QuantiseFn = void(const QuantiseArgs& args, Range blocks) noexcept;

constexpr bool can_quantise(BlockType type) {
  return type == BlockType::q8_0 || type == BlockType::q4_0;
}

}  // namespace cadre::kernels
