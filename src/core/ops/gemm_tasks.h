// Matrix products of tensors on all threads.
#pragma once

#include <span>

#include "core/ops/context.h"

namespace cadre::ops {

// Computes all products, each cut into blocks of its result, as one set of tasks: the products of a
// mixture's experts differ in size, and so share the threads without waiting for each other. The
// results are disjoint. `scratch` of the arguments is ignored. How a product is cut does not change
// its bits (core/kernels/gemm.h), so the cut may follow the number of threads.
void run_gemms(Context& ctx, std::span<const kernels::GemmArgs> products);

}  // namespace cadre::ops
