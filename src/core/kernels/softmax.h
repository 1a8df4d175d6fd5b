// Softmax of rows, and the pieces of attention that stand between its matrix products. All f32.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

// p[n, :] = softmax(z[n, :]), and lse[n] = log sum_e exp(z[n, e]). p may be the memory of z. A row
// of -inf alone gives p = 0 and lse = -inf; a NaN makes the whole of its row NaN.
struct SoftmaxArgs {
  const float* z;  // [N, E]
  float* p;        // [N, E]
  float* lse;      // [N]; may be null
  int64_t width;   // E >= 1
};
using SoftmaxFn = void(const SoftmaxArgs& args, Range rows) noexcept;

// Its derivative, from the result: dz[n, e] = p[n, e] * (dp[n, e] - sum_i p[n, i] * dp[n, i]). dz
// may be the memory of dp. The scalar version sums in f64.
struct SoftmaxBackwardArgs {
  const float* p;   // [N, E]
  const float* dp;  // [N, E]
  float* dz;        // [N, E]
  int64_t width;    // E >= 1
};
using SoftmaxBackwardFn = void(const SoftmaxBackwardArgs& args, Range rows) noexcept;

// One step of attention over a tile of keys, with a running maximum and sum for each query row
// (Milakov and Gimelshein, arXiv:1805.02867; Dao et al., "FlashAttention", arXiv:2205.14135).
// For each row r of the tile, with z = scale * scores[r, j] for j in [first_key[r], num_keys[r]):
//
//   max' = max(max, max_j z_j);  p_j = exp(z_j - max');  f = exp(max - max')
//   sum = sum * f + sum_j p_j;  output[r, :] *= f;  max = max'
//
// Keys outside [first_key, num_keys) get p = 0, up to `width`. A row without keys, or whose keys
// all score -inf, is left alone, its p zero. p is written as p_type (f32 or bf16), and sum adds the
// values before that rounding; a p of bf16 below 2^-126 may be zero. What else a row computes
// depends on its keys and their place in the tile alone, neither on the other rows nor on `width`.
struct AttentionTileArgs {
  const float* scores;  // [rows, scores_stride]
  int64_t scores_stride;
  int64_t width;             // keys in the tile, columns of p to write
  const int32_t* first_key;  // [rows], within the tile
  const int32_t* num_keys;   // [rows], within the tile; <= first_key means none
  float scale;
  float* row_max;  // [rows], -inf at first
  float* row_sum;  // [rows], 0 at first
  float* output;   // [rows, output_width] running unnormalised output, 0 at first
  int64_t output_width;
  void* p;  // [rows, p_stride]
  DType p_type;
  int64_t p_stride;
};
using AttentionTileFn = void(const AttentionTileArgs& args, Range rows) noexcept;

// The same tile on the way back, from the saved lse of each row:
//
//   p_j = exp(scale * scores[r, j] - lse[r]);   ds_j = scale * p_j * (dp[r, j] - delta[r])
//
// p and ds are written as p_type; both are 0 outside [first_key, num_keys).
struct AttentionTileBackwardArgs {
  const float* scores;  // [rows, stride]
  const float* dp;      // [rows, stride]
  int64_t stride;
  int64_t width;
  const int32_t* first_key;
  const int32_t* num_keys;
  float scale;
  const float* lse;    // [rows]
  const float* delta;  // [rows], sum_i dout[r, i] * out[r, i]
  void* p;             // [rows, p_stride]
  void* ds;            // [rows, p_stride]
  DType p_type;
  int64_t p_stride;
};
using AttentionTileBackwardFn = void(const AttentionTileBackwardArgs& args, Range rows) noexcept;

// Cross-entropy of rows of logits against a target each, and its derivative in place:
//
//   loss[n] = lse[n] - z[n, target];   dz[n, v] = weight[n] * (softmax(z)[n, v] - 1[v = target])
//
// A target of -1 means no loss: loss 0, dz 0, whatever z holds; lse is that of the row all the
// same. dz is written as dz_type with row stride dz_stride (elements of dz_type) and may be the
// memory of z if dz_stride leaves each row in place.
struct CrossEntropyArgs {
  const float* z;  // [N, V]
  int64_t z_stride;
  const int32_t* targets;  // [N], -1 <= target < V
  float* loss;             // [N]
  float* lse;              // [N]; may be null
  const float* weight;     // [N]; null if no derivative is wanted
  void* dz;                // [N, V]; null likewise
  DType dz_type;
  int64_t dz_stride;
  int64_t vocab_size;  // V
};
using CrossEntropyFn = void(const CrossEntropyArgs& args, Range rows) noexcept;

}  // namespace cadre::kernels
