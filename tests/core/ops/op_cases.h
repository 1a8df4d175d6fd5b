// Every op on a small awkward shape, as cases for the tests that must hold for all of them.
#pragma once

#include "tests/core/ops/op_testing.h"

namespace cadre::ops {

// Large ones are cut into many tasks by every op; medium ones into several tiles at least.
enum class CaseSize { small, medium, large };

// `type` is that of activations and weights, f32 or bf16; what is always f32 stays so.
std::vector<OpCase> op_cases(DType type, CaseSize size = CaseSize::small);

}  // namespace cadre::ops
