// Dispatch: tokens go to the rows of their experts and come back as weighted sums. A token may have
// fewer experts than k, or none: then it gets no row and its sum is zero.
#pragma once

#include <cstdint>
#include <memory>

#include "core/ops/context.h"
#include "core/ops/linear.h"
#include "core/tensor/pool_vector.h"

namespace cadre::ops {

// Rows in the order of experts, within an expert in the order of tokens: M = N * k rows, fewer
// where choices were dropped.
struct DispatchPlan {
  int64_t num_tokens = 0;
  int64_t top_k = 0;
  PoolVector<int64_t> offsets;  // [E + 1] rows of each expert
  PoolVector<int32_t> source;   // [M] token of each row
  PoolVector<int32_t> slot;     // [N, k] row of each choice; -1 for one that was dropped
};
using DispatchPlanPtr = std::shared_ptr<const DispatchPlan>;

// Counts, sums up and places; experts is [N, k] i32 in [0, num_experts), or -1 for none.
DispatchPlanPtr plan_dispatch(Context& ctx, const Tensor& experts, int64_t num_experts);

// rows[i, :] = x[source[i], :]; x is [N, D]. The derivative sums the k rows of a token in order.
Tensor permute(Context& ctx, const Tensor& x, const DispatchPlanPtr& plan);

// y[n, :] = sum_j weights[n, j] * rows[slot[n, j], :] in `dtype`; weights is [N, k] f32.
Tensor combine(Context& ctx, const Tensor& rows, const Tensor& weights, const DispatchPlanPtr& plan,
               DType dtype);

}  // namespace cadre::ops
