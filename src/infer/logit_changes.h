// What is done to logits before they become probabilities: bias, penalties, forbidden ends.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "infer/sampler_options.h"

namespace cadre::infer {

struct SampleInput;

// "12:-1.5" as llama.cpp and OpenAI mean it: token, bias. Throws Error(invalid_input).
std::pair<int32_t, float> parse_logit_bias(std::string_view text);

// For a token that occurs c times among those that count:
//
//   repeat_penalty      z > 0 ? z / penalty : z * penalty   Keskar et al., "CTRL", arXiv:1909.05858
//   frequency_penalty   z -= c * penalty                    as OpenAI's interface has them
//   presence_penalty    z -= penalty
//
// in this order. The first counts the last repeat_last_n tokens, prompt included. The other two
// count the text behind the prompt, all of it, or with penalize_prompt what the first counts.
// Belongs to one thread.
class LogitChanges {
 public:
  // Throws Error(invalid_input) for a bias that cannot be read.
  explicit LogitChanges(const SamplerOptions& options);

  // The logits with all changes: input.logits itself if there are none, else a buffer of this
  // object. With `may_end`, ends are not forbidden.
  std::span<const float> apply(const SampleInput& input, bool may_end);
  // Whether ends of the text are forbidden for this token.
  bool forbids_end(const SampleInput& input) const;

 private:
  void count(std::span<const int32_t> tokens);
  void forget_counts();

  SamplerOptions options_;
  std::vector<std::pair<int32_t, float>> bias_;
  std::vector<float> scores_;
  std::vector<int32_t> counts_;   // by token; all zero between calls
  std::vector<int32_t> counted_;  // the tokens with a count
};

}  // namespace cadre::infer
