// From logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "infer/logit_changes.h"
#include "infer/sampler_cuts.h"
#include "infer/sampler_options.h"

namespace cadre::infer {

// What one draw reads; all of it is borrowed for the call.
struct SampleInput {
  std::span<const float> logits;  // of the candidates [0, V')
  int64_t position = 0;           // of the token that is drawn
  // The tokens before it, the prompt's first. Only penalties and min_tokens look at them.
  std::span<const int32_t> history = {};
  int64_t prompt_length = 0;  // how many of them are the prompt's
  // Tokens that end the text: not drawn before min_tokens, or at all with ignore_eos, unless there
  // is no other.
  std::span<const int32_t> stop_tokens = {};
  // The tokens that may come (infer/constraint.h): bit i % 64 of word i / 64; empty allows all.
  std::span<const uint64_t> allowed = {};
};

// The chain, in this order; a step that its option turns off is passed over.
//
//   allowed, end     what may not come gets -inf
//   logit_bias       z += bias
//   penalties        infer/logit_changes.h
//   temperature      p = softmax(z / temperature); 0 takes the largest z and ends here
//   top_k            the k most probable
//   top_p            the smallest set of the most probable whose share of what is left is top_p.
//                    Holtzman et al., "The Curious Case of Neural Text Degeneration",
//                    arXiv:1904.09751
//   min_p            p >= min_p * max p. Nguyen et al., arXiv:2407.01082
//   typical_p        the smallest set of those whose -log p is nearest to the entropy, with that
//                    share of what is left. Meister et al., "Locally Typical Sampling",
//                    arXiv:2202.00666
//   draw             u(seed, position) * total, walked along what is left by ascending id
//
// This is the order of transformers. Shares are of what the steps before have left, one token
// always stays, and of tokens that are equal the lower id is first. The token is a function of the
// options and of SampleInput alone: of the seed, only its value at `position` is read.
//
// Costs a few passes over V', no sort of it, and no allocation once the buffers have grown. Belongs
// to one thread.
class Sampler {
 public:
  // Throws Error(invalid_input) for options out of range.
  explicit Sampler(const SamplerOptions& options);

  // Throws Error(corrupt_data) for a NaN or if the largest logit is not finite, which only damaged
  // weights give; Error(invalid_input) if nothing is allowed, or for a bias of a token beyond V'.
  int32_t sample(const SampleInput& input);
  int32_t sample(std::span<const float> logits, int64_t position) {
    return sample({.logits = logits, .position = position});
  }

  const SamplerOptions& options() const { return options_; }

 private:
  int32_t draw(const SampleInput& input, std::span<const float> scores);

  SamplerOptions options_;
  LogitChanges changes_;
  Candidates candidates_;  // reused between calls
  CutScratch scratch_;
};

}  // namespace cadre::infer
