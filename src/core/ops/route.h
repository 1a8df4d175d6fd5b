// Any router of core/ops/router_spec.h: from logits to the experts of each token and their weights.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/base/range.h"
#include "core/ops/context.h"
#include "core/ops/router_spec.h"
#include "core/ops/routing.h"

namespace cadre::ops {

// What a router is given besides its logits.
struct RouteInput {
  TokenMask mask;
  Tensor bias;             // [E] f32, for a selection bias; otherwise undefined
  bool training = false;   // noise, random choices and the training capacity
  bool decoding = false;   // keys and values are cached: no capacity
  bool statistics = true;  // of the result; empty otherwise
  uint64_t seed = 0;       // of this micro-batch
  int64_t layer = 0;       // with the seed, the token and the expert it keys all randomness
  std::span<const Range> sequences;  // tokens of each, for experts that choose within sequences
  std::shared_ptr<const RouterGradient> gradient;  // read in the backward pass; may be null
};

// logits is [N, E] f32, for noisy top-k with the noise in it. Plain routers take the way of
// softmax_top_k. Differentiable in the logits through the weights; choices and drops are not.
// Throws Error(unsupported) if experts choose tokens and `decoding` is set.
Routing route(Context& ctx, const Tensor& logits, const RouterSpec& spec, const RouteInput& input);

}  // namespace cadre::ops
