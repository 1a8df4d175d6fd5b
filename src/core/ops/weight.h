// A weight of a linear layer, whatever its precision: dense, or in few bits. Layers are written
// over it and do not know which it is.
#pragma once

#include <cstdint>

#include "core/ops/linear.h"
#include "core/tensor/packed_matrix.h"

namespace cadre::ops {

// One of the two is defined. Dense: [M, K], or [E, M, K] for experts. Packed weights are for
// inference: they have no derivative.
struct Weight {
  Tensor dense;
  PackedMatrix packed;

  bool defined() const { return dense.defined() || packed.defined(); }
  int64_t count() const;  // E, or 1
  int64_t rows() const;   // M
};

// Activations on their way into linear layers: x, and x in 8 bits if any of the layers is packed.
// Quantised once, used by all.
struct LinearInput {
  Tensor x;         // [N, K] f32 or bf16
  Tensor quants;    // [N, K] i8; undefined if no layer wants it, as are the rest
  Tensor scales;    // [N, K / 32] f32
  Tensor sums;      // [N, K / 16] i32
  Tensor minimums;  // [N, K / 32] f32
};

// x with what `weight` needs; a second call adds what another weight needs. Throws
// Error(invalid_input) if a packed weight has another K.
LinearInput linear_input(Context& ctx, const Tensor& x, const Weight& weight);

// y = x weight^T in `dtype`; see linear.h and core/kernels/quantised_gemm.h. Throws
// Error(internal) if the input lacks what the weight needs, or a packed weight meets a tape.
Tensor linear(Context& ctx, const LinearInput& x, const Weight& weight, DType dtype);

// Rows [offsets[e], offsets[e + 1]) of x meet matrix e; y is in the type of x.x.
Tensor grouped_linear(Context& ctx, const LinearInput& x, const Weight& weight,
                      const GroupOffsets& offsets);

// Rows of the input in the order source[i], as permute() does for tensors.
LinearInput gather(Context& ctx, const LinearInput& x, const Tensor& permuted_x,
                   const std::vector<int32_t>& source);

// Packs rows of blocks, [count, rows, k] as files hold them (core/kernels/pack_rows.h), on all
// threads. row_bytes is of one row.
PackedMatrix pack(Context& ctx, PackedFormat format, int64_t count, int64_t rows, int64_t k,
                  const std::byte* blocks, int64_t row_bytes);

}  // namespace cadre::ops
