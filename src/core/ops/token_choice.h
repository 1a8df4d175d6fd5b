// Tokens choose experts: the discrete half of a router, before capacity.
#pragma once

#include "core/ops/context.h"
#include "core/ops/router_random.h"
#include "core/ops/router_spec.h"

namespace cadre::ops {

struct ChoiceInput {
  Tensor logits;  // [N, E] f32
  Tensor scores;  // [N, E] f32
  Tensor bias;    // [E] f32; undefined without a selection bias
  bool training = false;
};

// [N, k] i32: for each token the k experts with the largest
//
//   scores + bias                of the groups that the token may use
//   logits + Gumbel noise        with that noise, in training; with gumbel_second the first choice
//                                is that of the scores
//   logits                       if scores come after the choice
//
// best first, ties to the lower expert. A choice that SecondExpert turns down stands as
// rejected(expert) (core/ops/capacity.h).
Tensor choose_experts(Context& ctx, const RouterSpec& spec, const ChoiceInput& input,
                      const RouterRandom& random);

}  // namespace cadre::ops
