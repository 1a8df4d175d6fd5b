// Formats chosen for a size: for each tensor the one that loses least for the bytes it takes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/weights.h"
#include "quant/importance.h"
#include "quant/tensors.h"

namespace cadre::quant {

// How much the squared relative error of a group counts. An error in the head or in the embedding
// meets every token unmixed; attention and shared parts meet every token, and an expert is one of
// several whose errors average out.
double group_weight(TensorGroup group);

// Sets the types of all tensors that are not `fixed` so that the bytes of all tensors add up to at
// most `budget` and the weighted sum of squared relative errors, measured on rows of each tensor
// (measure.h), to as little as possible. Candidates have 2 to 8 bits. `progress` (may be empty)
// gets the tensors done. Errors of choose_formats.
void choose_types(Context& ctx, const model::Weights& weights, const Importance& importance,
                  const std::vector<bool>& fixed, int64_t budget,
                  std::vector<OutputTensor>& tensors, const std::function<void(int64_t)>& progress);

}  // namespace cadre::quant
