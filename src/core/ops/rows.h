// Rows shifted by a bias, normalised without a learned weight, or scaled by a gate; formulas of the
// parts stand in core/kernels/rows.h.
#pragma once

#include "core/ops/context.h"

namespace cadre::ops {

// x[n, i] + bias[i] in `dtype`. x is [N, D] in f32 or bf16, bias [D] in f32.
Tensor add_bias(Context& ctx, const Tensor& x, const Tensor& bias, DType dtype);

// Layer normalisation without weight or bias, in `dtype`; x is [N, D] in f32 or bf16:
//
//   y[n, i] = (x[n, i] - mean) / sqrt(mean_j((x[n, j] - mean)^2) + eps),   mean = mean_j(x[n, j])
//
// Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450.
Tensor layer_norm(Context& ctx, const Tensor& x, float eps, DType dtype);

// x[n, i] * sigmoid(gate[n]) in the dtype of x. x is [N, D] in f32 or bf16, gate [N, 1] in f32.
Tensor sigmoid_gate(Context& ctx, const Tensor& x, const Tensor& gate);

}  // namespace cadre::ops
