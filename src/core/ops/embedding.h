// Rows of a table chosen by token.
#pragma once

#include <cstdint>
#include <span>

#include "core/ops/context.h"

namespace cadre::ops {

// y[n, :] = weight[tokens[n], :] as `dtype`; weight is [V, D], f32 or bf16. Throws
// Error(invalid_input) for a token outside [0, V). In the backward pass the rows of one token are
// summed in the order of n, so the gradient does not depend on the number of threads.
Tensor embedding(Context& ctx, const Tensor& weight, std::span<const int32_t> tokens, DType dtype);

// Throws that error.
void expect_token(int32_t token, int64_t place, int64_t vocab_size);

}  // namespace cadre::ops
