// A weight of a linear layer, whatever its precision: dense, or in few bits. Layers are written
// over it and do not know which it is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/base/range.h"
#include "core/ops/cross_entropy.h"
#include "core/ops/dispatch.h"
#include "core/ops/linear.h"
#include "core/tensor/packed_matrix.h"

namespace cadre::ops {

// One of dense, packed and parts is defined. Dense: [M, K], or [E, M, K] for experts. Packed
// weights are for inference: they have no derivative.
struct Weight {
  Tensor dense;
  PackedMatrix packed;
  // With it the stack above holds some experts in any order, and matrix e of the weight is matrix
  // (*slots)[e] of the stack. For inference too.
  std::shared_ptr<const std::vector<int64_t>> slots = nullptr;
  // Dense, but in parts of a mapped file. For inference too.
  std::shared_ptr<const RowParts> parts = nullptr;

  bool defined() const { return dense.defined() || packed.defined() || parts; }
  int64_t count() const;         // E, or 1
  int64_t rows() const;          // M
  int64_t bytes() const;         // of the memory that it holds
  int64_t matrix_bytes() const;  // of one matrix
  // The type of elements of weights that are not packed.
  DType dtype() const { return parts ? parts->parts.front().dtype() : dense.dtype(); }
};

// Activations on their way into linear layers: x if any of them is dense, and x in 8 bits if any is
// packed. Quantised once, used by all.
struct LinearInput {
  Tensor x;         // [N, K] f32 or bf16
  Tensor quants;    // [N, K] i8; undefined if no layer is packed, as are the rest
  Tensor scales;    // [N, K / 32] f32
  Tensor sums;      // [N, K / 16] i32
  Tensor minimums;  // [N, K / 32] f32
};

// x with what the weights need. Throws Error(invalid_input) if a packed weight has another K.
LinearInput linear_input(Context& ctx, const Tensor& x, std::span<const Weight* const> weights);
LinearInput linear_input(Context& ctx, const Tensor& x, const Weight& weight);

// Memory for n rows of k values in 8 bits, without x: what fills it gives rows_of() to the kernel.
LinearInput quantised_input(Context& ctx, int64_t n, int64_t k);
// Its rows from `begin` on, as products take them.
kernels::QuantisedRows quantised_rows(const LinearInput& input, int64_t begin);
// Rows of x in `type`, the first of which becomes row `begin` of the input.
kernels::QuantiseRowsArgs rows_of(const LinearInput& input, const void* x, DType type,
                                  int64_t begin);

// y = x weight^T in `dtype`; see linear.h and core/kernels/quantised_gemm.h. Throws
// Error(internal) if the input lacks what the weight needs, or a packed weight meets a tape.
Tensor linear(Context& ctx, const LinearInput& x, const Weight& weight, DType dtype);

// Rows [offsets[e], offsets[e + 1]) of x meet matrix e; y is in inner_type(weight, type of x).
// Throws Error(internal) for a slot outside the stack.
Tensor grouped_linear(Context& ctx, const LinearInput& x, const Weight& weight,
                      GroupOffsets offsets);

// The type of values between two layers that are otherwise in `compute`: packed products end in
// f32, and rounding them would only cost a pass over memory.
inline DType inner_type(const Weight& weight, DType compute) {
  return weight.packed.defined() ? DType::f32 : compute;
}

// Some rows of the input; shares memory with it.
LinearInput slice(const LinearInput& x, Range rows);
// Rows of the input in the order of experts, as permute() in dispatch.h for tensors.
LinearInput permute(Context& ctx, const LinearInput& x, const DispatchPlanPtr& plan);

// y[n, :] = weight[tokens[n], :] as `dtype`, as embedding() in embedding.h.
Tensor embedding(Context& ctx, const Weight& weight, std::span<const int32_t> tokens, DType dtype);

// The losses of linear_cross_entropy() in cross_entropy.h, whose derivative a packed weight lacks.
CrossEntropyResult linear_cross_entropy(Context& ctx, const Tensor& x, const Weight& weight,
                                        std::span<const int32_t> targets,
                                        std::span<const float> weights);

// Rows of blocks as files hold them (core/kernels/pack_rows.h).
struct BlockRows {
  const std::byte* first;  // of any alignment
  int64_t count;
  int64_t row_bytes;
};

// Memory for [count, rows, k], uninitialised. k is of whole blocks.
PackedMatrix empty_packed(Context& ctx, PackedFormat format, int64_t count, int64_t rows,
                          int64_t k);

// Packs [count, rows, k] on all threads. The pieces lie end to end in that order.
PackedMatrix pack(Context& ctx, PackedFormat format, int64_t count, int64_t rows, int64_t k,
                  std::span<const BlockRows> pieces);
// The same into matrices [begin, end) of a stack that is there.
void pack_into(Context& ctx, const PackedMatrix& stack, Range matrices,
               std::span<const BlockRows> pieces);

// The same of values, rounded to blocks: as quantise() in blocks.h does where it knows the type,
// else by search (core/kernels/round_blocks.h), which takes its time. `read` gives rows
// [begin, end) of the count * rows, k values each, in f32; it is called on this thread, in order.
PackedMatrix pack_values(Context& ctx, PackedFormat format, int64_t count, int64_t rows, int64_t k,
                         const std::function<void(Range rows, float* values)>& read);
// The same into matrices [begin, end) of a stack that is there; rows count from the first of them.
void pack_values_into(Context& ctx, const PackedMatrix& stack, Range matrices,
                      const std::function<void(Range rows, float* values)>& read);

}  // namespace cadre::ops
