// From scores and choices to routing weights, and back: one token at a time, on plain memory.
#pragma once

#include <cstdint>
#include <span>

#include "core/ops/router_spec.h"
#include "core/ops/routing.h"

namespace cadre::ops {

// One token. `wanted` and `experts` are its choices before and after drops, as in
// core/ops/capacity.h; a choice of expert -1 has no place.
struct RoutedToken {
  const float* scores;     // [E] softmax or sigmoids; not read for softmax_of_chosen
  const float* logits;     // [E]
  const int32_t* wanted;   // [k]
  const int32_t* experts;  // [k]
  int64_t count;           // k
};

// With s the scores and R all choices (renormalise) or those left (renormalise_kept):
//
//   w_j = scale * s_j                       w_j = scale * s_j / sum over R of s
//
// and 0 for a choice that is not left; a sum over those left is at least the machine epsilon, as in
// DeepSpeed. For softmax_of_chosen s is the softmax of the logits of all choices, whose sum is 1.
void token_weights(const RouterSpec& spec, const RoutedToken& token, float* weights);

// What the derivative needs besides.
struct TokenGradient {
  const float* probabilities;       // [E] scores over their sum
  const float* dweights;            // [k]
  float lse;                        // of the logits
  const RouterGradient* auxiliary;  // null for padding and without auxiliary losses
};

// dlogits [E] of one token; scratch is room for [E].
void token_weights_backward(const RouterSpec& spec, const RoutedToken& token,
                            const TokenGradient& gradient, double* scratch,
                            std::span<float> dlogits, bool accumulate);

}  // namespace cadre::ops
