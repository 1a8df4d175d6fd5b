// The logits of an attention router: for each token the experts attend to each other. With
// Q, K, V in R^E the three projections of the token,
//
//   A[i, j] = softmax over j of  Q[i] * K[j]        (an outer product, not scaled)
//   P[i] = sum_j A[i, j] * V[j]
//
// Wu et al., "Yuan 2.0-M32: Mixture of Experts with Attention Router", arXiv:2405.17976. All f32;
// the softmax subtracts the maximum of its row, so large products do no harm.
#pragma once

#include "core/ops/context.h"

namespace cadre::ops {

// qkv is [N, 3E] f32: Q, K and V of each token, in that order. The result is [N, E] f32.
Tensor attention_router(Context& ctx, const Tensor& qkv);

}  // namespace cadre::ops
