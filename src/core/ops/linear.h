// Products with weights: one weight for all rows, or one for each group of rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ops/context.h"

namespace cadre::ops {

// y = x weight^T; x is [N, K] and weight [M, K] of the same dtype (f32 or bf16); y is [N, M] in
// `dtype`. Sums in f32, see core/kernels/gemm.h.
Tensor linear(Context& ctx, const Tensor& x, const Tensor& weight, DType dtype);

// The same for ragged groups, the heart of the mixture layer: rows [offsets[e], offsets[e + 1]) of
// x meet weight e. x is [M, K] with its rows in the order of experts, weight [E, O, K], y [M, O] in
// the dtype of x. Groups may be empty; their weight gradient is zero. Gale et al., "MegaBlocks",
// arXiv:2211.15841, for the idea of computing ragged groups without padding to a capacity.
using GroupOffsets = std::span<const int64_t>;  // E + 1 ascending, from 0 to M
Tensor grouped_linear(Context& ctx, const Tensor& x, const Tensor& weight, GroupOffsets offsets);
// The same where group g meets weight matrices[g] of the stack, of which any number may be there:
// [S, O, K]. Not recorded: it throws Error(internal) if there is a tape, or for a matrix outside.
Tensor grouped_linear(Context& ctx, const Tensor& x, const Tensor& weight, GroupOffsets offsets,
                      std::span<const int64_t> matrices);

// Matrices whose rows lie in equal parts at any places, such as the tensors of a mapped file: part
// i, [R, K], has rows [i R, (i + 1) R) of all matrices end to end, M = per_matrix * R rows each.
struct RowParts {
  std::vector<Tensor> parts;
  int64_t per_matrix = 1;

  int64_t count() const { return static_cast<int64_t>(parts.size()) / per_matrix; }
  int64_t rows() const { return per_matrix * parts.front().dim(0); }
};
// As grouped_linear, with the same bits, but y in `dtype`; one group for a plain linear layer. Not
// recorded: throws Error(internal) if there is a tape.
Tensor linear_of_parts(Context& ctx, const Tensor& x, const RowParts& weight, GroupOffsets offsets,
                       DType dtype);

}  // namespace cadre::ops
