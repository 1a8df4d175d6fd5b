// One prompt, one continuation.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "infer/request.h"
#include "model/decoder.h"

namespace cadre::infer {

struct GenerateOptions : TextOptions {
  int64_t prefill_chunk = 512;  // tokens of the prompt in one forward pass
  // Asked before each pass over the prompt, if there; false cancels.
  std::function<bool()> keep_going;
};

struct GenerateResult {
  std::vector<int32_t> tokens;
  std::vector<TokenLogprobs> logprobs;  // of each token, if asked for
  StopReason reason = StopReason::max_tokens;
  int64_t reused_tokens = 0;  // of the prompt, found in the cache
  double prefill_seconds = 0.0;
  double decode_seconds = 0.0;
};

// Calls on_token for each new token as soon as it is known; returning false cancels. The text is a
// function of weights, prompt and options: neither threads nor the chunk size change it. Throws
// Error(invalid_input) for an empty prompt, a token outside the vocabulary, or a prompt that does
// not fit the context.
GenerateResult generate(Context& ctx, const model::Decoder& decoder,
                        std::span<const int32_t> prompt, const GenerateOptions& options,
                        const std::function<bool(int32_t)>& on_token);

}  // namespace cadre::infer
