// One prompt, one continuation.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "infer/constraint.h"
#include "infer/kv_cache.h"
#include "infer/logprobs.h"
#include "infer/sampler.h"
#include "model/decoder.h"

namespace cadre::infer {

struct GenerateOptions {
  SamplerOptions sampler;
  int64_t max_tokens = 128;
  std::vector<int32_t> stop_tokens;              // ends the text; the token itself is not reported
  std::shared_ptr<const Constraint> constraint;  // what the text has to be, if there
  int64_t logprobs = -1;        // alternatives to report for each token; -1 reports nothing
  int64_t num_candidates = 0;   // sample only ids below this; 0 means all rows of the head
  int64_t prefill_chunk = 512;  // tokens of the prompt in one forward pass
  // Asked before each pass over the prompt, if there; false cancels.
  std::function<bool()> keep_going;
};

// stop_string is for callers, who know the text; complete: the constraint lets nothing follow.
enum class StopReason { max_tokens, stop_token, stop_string, complete, context_full, cancelled };
// "max_tokens" and so on.
std::string_view stop_reason_name(StopReason reason);

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
