// What one forward pass has to do at least, on any machine: the measure that speeds are quoted
// against.
#pragma once

#include <cstdint>
#include <span>

#include "core/ops/roofline.h"
#include "model/nn/forward.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::model {

struct PassCost {
  double i8_ops = 0.0;  // products with packed weights
  double bf16_flops = 0.0;
  double f32_flops = 0.0;
  double bytes = 0.0;  // weights that some token needs, each once, and the keys and values seen

  // No pass is shorter: arithmetic at its peak, or memory at its bandwidth.
  double seconds(const ops::Roofline& machine) const;
};

// One sequence in a pass: its new tokens and those that the cache holds already.
struct PassSequence {
  int64_t num_tokens;
  int64_t depth;
};

// `trace` says which experts the tokens met; with none, every expert counts. `num_logits` rows meet
// the head.
PassCost pass_cost(const ModelSpec& spec, const Parameters& parameters,
                   std::span<const PassSequence> sequences, int64_t num_logits,
                   const nn::ForwardTrace* trace);

}  // namespace cadre::model
