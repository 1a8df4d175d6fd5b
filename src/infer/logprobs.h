// How probable the model itself held a token to be.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cadre::infer {

struct TokenLogprob {
  int32_t id;
  double logprob;
};

// Of one place of the text.
struct TokenLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;  // the most probable, best first; of equals the lower id
};

// log softmax of the logits as the model gave them, at temperature 1 and before any bias, penalty
// or mask. `count` bounds `top`; V' does, too. Sums are in f64 by ascending id.
TokenLogprobs logprobs_of(std::span<const float> logits, int32_t chosen, int64_t count);

}  // namespace cadre::infer
