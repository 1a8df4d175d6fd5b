// Checks that several ops share.
#pragma once

#include <string_view>

#include "core/tensor/tensor.h"

namespace cadre::ops {

// Throws Error(invalid_input) `what is f16, expected f32 or bf16`.
void expect_activation(const Tensor& x, std::string_view what);
// Throws Error(invalid_input) `what is [2, 3, 4], expected 2 dimensions`.
void expect_rank(const Tensor& x, int rank, std::string_view what);

}  // namespace cadre::ops
