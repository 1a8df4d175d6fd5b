// Formats chosen for a size: for each tensor the one that loses least for the bytes it takes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/weights.h"
#include "quant/importance.h"
#include "quant/tensors.h"

namespace cadre::quant {

// How much the squared relative error of a tensor counts. An error in the head is one in the
// logits; one in a layer is diluted by the residual stream of all `num_layers`, and that of an
// expert by the others of its token. Measured as the KL divergence from the unrounded model that
// rounding each kind of tensor alone brings, docs/quantisation.md.
double tensor_weight(const OutputTensor& tensor, int64_t num_layers);

// The bytes that may be used, and what of them is taken by other things than tensors: the header of
// a file. Errors name both together.
struct SizeTarget {
  int64_t bytes = 0;
  int64_t overhead = 0;
};

// Sets the types of all tensors that are not `fixed` so that the bytes of all tensors and the
// overhead add up to at most `target.bytes` and the weighted sum of squared relative errors,
// measured on rows of each tensor (measure.h), to as little as possible. Candidates have 2 to 8
// bits. `progress` (may be empty) gets the tensors done. Errors of choose_formats.
void choose_types(Context& ctx, const model::Weights& weights, const Importance& importance,
                  const std::vector<bool>& fixed, int64_t num_layers, const SizeTarget& target,
                  std::vector<OutputTensor>& tensors, const std::function<void(int64_t)>& progress);

}  // namespace cadre::quant
