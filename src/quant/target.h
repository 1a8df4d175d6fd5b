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

// Sets the types of all tensors that are not `fixed` so that the bytes of all tensors add up to at
// most `budget` and the weighted sum of squared relative errors, measured on rows of each tensor
// (measure.h), to as little as possible. Candidates have 2 to 8 bits. `progress` (may be empty)
// gets the tensors done. Errors of choose_formats.
void choose_types(Context& ctx, const model::Weights& weights, const Importance& importance,
                  const std::vector<bool>& fixed, int64_t num_layers, int64_t budget,
                  std::vector<OutputTensor>& tensors, const std::function<void(int64_t)>& progress);

}  // namespace cadre::quant
