// What a user may ask of the choice of tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/fields.h"

namespace cadre::infer {

// Names and meanings are those that users of llama.cpp and vLLM know; infer/sampler.h says in which
// order the steps are taken and gives the formulas.
struct SamplerOptions {
  double temperature = 0.8;
  int64_t top_k = 0;
  double top_p = 1.0;
  double min_p = 0.0;
  double typical_p = 1.0;
  double repeat_penalty = 1.0;
  int64_t repeat_last_n = 64;
  double frequency_penalty = 0.0;
  double presence_penalty = 0.0;
  bool penalize_prompt = false;
  std::vector<std::string> logit_bias = {};
  int64_t min_tokens = 0;
  bool ignore_eos = false;
  int64_t seed = 0;

  void visit_fields(auto&& field) {
    field("temperature", temperature, Interval{0.0, 100.0}, "0 takes the most likely token");
    field("top_k", top_k, Interval{0, 1e9},
          "keep this many of the most likely tokens; 0 keeps all");
    field("top_p", top_p, Interval{0.0, 1.0}, "keep the smallest set of tokens this probable");
    field("min_p", min_p, Interval{0.0, 1.0},
          "keep tokens at least this share as probable as the most likely one");
    field("typical_p", typical_p, Interval{0.0, 1.0},
          "keep the tokens nearest to the expected surprise, this probable together");
    field("repeat_penalty", repeat_penalty, Interval{0.01, 100.0},
          "divide the logits of recent tokens, multiply them where negative; 1 is off");
    field("repeat_last_n", repeat_last_n, Interval{-1, 1e9},
          "how many tokens are recent; 0 none, -1 all");
    field("frequency_penalty", frequency_penalty, Interval{-100.0, 100.0},
          "taken from a token's logit for each time it was written");
    field("presence_penalty", presence_penalty, Interval{-100.0, 100.0},
          "taken once from the logit of each token that was written");
    field("penalize_prompt", penalize_prompt,
          "let the last two count the recent tokens, prompt included, as llama.cpp does");
    field("logit_bias", logit_bias, "added to logits: ID:BIAS,...; -inf forbids a token");
    field("min_tokens", min_tokens, Interval{0, 1e9}, "no end of text before this many tokens");
    field("ignore_eos", ignore_eos, "never end the text by a token");
    field("seed", seed, Interval{-1, 9e15}, "same seed, same text; -1 lets commands draw one");
  }
};

}  // namespace cadre::infer
