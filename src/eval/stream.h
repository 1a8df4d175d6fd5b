// How well a model predicts a text of any length that it reads once, from the first token to the
// last, with no more than a window and attention sinks in sight.
// Xiao et al., "Efficient Streaming Language Models with Attention Sinks", arXiv:2309.17453.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "infer/layer_pages.h"
#include "model/decoder.h"

namespace cadre::eval {

struct StreamOptions {
  int64_t window = 0;         // tokens that see each other besides sinks; 0 is all that came before
  int64_t sinks = 0;          // first tokens that stay in sight, with a window
  int64_t block = 1000;       // tokens to an entry of the result
  int64_t step_tokens = 512;  // of one pass; changes no bit
  infer::CacheType cache_type = infer::CacheType::compute;
};

struct StreamResult {
  int64_t num_tokens = 0;  // scored: all but the first
  double total_nats = 0.0;
  std::vector<double> block_nats;  // the mean of each block's tokens; the last may be a short one
  int64_t cache_bytes = 0;         // the most that keys and values took
};

// Positions go on past the model's context, as they do in unlimited generation. `progress` (may be
// empty) gets the number of tokens read. Throws Error(invalid_input) for fewer than two tokens,
// sinks without a window, or an empty block or step.
StreamResult stream_perplexity(Context& ctx, const model::Decoder& decoder,
                               std::span<const int32_t> tokens, const StreamOptions& options,
                               const std::function<void(int64_t)>& progress);

}  // namespace cadre::eval
