// How well a model predicts a text.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "model/decoder.h"

namespace cadre::eval {

struct PerplexityOptions {
  int64_t context = 0;  // tokens of a window; 0 takes the model's context
  int64_t stride = 0;   // tokens scored by each window after the first; 0 takes half the context
};

struct PerplexityResult {
  int64_t num_tokens = 0;  // tokens scored: all but the first
  double total_nats = 0.0;
  double perplexity = 0.0;  // exp of the mean
  double nats_per_token = 0.0;
  double bits_per_byte = 0.0;  // total_nats / ln 2 / text_bytes; 0 if text_bytes is 0
};

// Slides a window over the tokens: each window sees up to `context` tokens and scores those that no
// earlier window did, so every token but the first is scored once and, past the first window, with
// at least context - stride tokens before it. `progress` (may be empty) gets the share done. Throws
// Error(invalid_input) with fewer than two tokens or a window outside the model's context.
PerplexityResult perplexity(Context& ctx, const model::Decoder& decoder,
                            std::span<const int32_t> tokens, int64_t text_bytes,
                            const PerplexityOptions& options,
                            const std::function<void(double)>& progress);

}  // namespace cadre::eval
