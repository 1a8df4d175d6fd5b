// The head of a language model and its loss in one op.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ops/context.h"

namespace cadre::ops {

struct CrossEntropyResult {
  Tensor loss;                      // [1] f32, differentiable: sum_n weights[n] * token_losses[n]
  std::vector<float> token_losses;  // [N], 0 where the target is -1
};

// token_losses[n] = -log softmax(x[n, :] weight^T)[targets[n]]; x is [N, D] and weight [V, D] of
// the same dtype, targets in [-1, V) with -1 for no loss, or Error(invalid_input). Only rows with a
// target are computed. Logits are f32 and exist for one block of rows at a time; when recording,
// their derivative is taken at once, block by block, so logits are never computed twice and [N, V]
// is never in memory (the idea of Liger Kernel, arXiv:2410.10989).
//
// So the weight's gradient is summed by this call already: the gradient that arrives at `loss` must
// be 1 (put factors into `weights`), or backward() throws Error(internal). If the weight is not
// tracked, any scalar may arrive. The loss is summed in f64 in the order of n.
CrossEntropyResult linear_cross_entropy(Context& ctx, const Tensor& x, const Tensor& weight,
                                        std::span<const int32_t> targets,
                                        std::span<const float> weights);

// The most bytes of logits that are in memory at a time, for up to `count` rows.
int64_t cross_entropy_logits_bytes(int64_t count, int64_t vocab_size);

}  // namespace cadre::ops
