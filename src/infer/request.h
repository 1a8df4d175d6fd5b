// What is asked of the engine, and what it reports.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "infer/constraint.h"
#include "infer/logprobs.h"
#include "infer/sampler.h"

namespace cadre::infer {

enum class StopReason {
  max_tokens,
  stop_token,
  stop_string,  // for callers, who know the text
  complete,     // the constraint lets nothing follow
  context_full,
  cancelled,
  failed,  // by an error, which the event has
};
// "max_tokens" and so on.
std::string_view stop_reason_name(StopReason reason);

struct TextOptions {
  SamplerOptions sampler = {};
  int64_t max_tokens = 128;
  std::vector<int32_t> stop_tokens = {};  // end the text; the token itself is not reported
  std::shared_ptr<const Constraint> constraint = {};  // what the text has to be, if there
  int64_t logprobs = -1;       // alternatives to report for each token; -1 reports nothing
  int64_t num_candidates = 0;  // sample only ids below this; 0 means all rows of the head
};

struct Request {
  std::vector<int32_t> prompt = {};
  TextOptions text = {};
  // Texts that go on from the prompt, which is read once. Text i is that of a request of its own
  // with a seed larger by i.
  int64_t num_answers = 1;
  // Requests of higher priority go first, and may take the place of others; among equals those that
  // came first. What writes already goes on, a token in each pass.
  int64_t priority = 0;
};

// Answers that a request may have.
constexpr int64_t kMaxAnswers = 10'000;
// The sampler's options of answer `index`: the only place that says which seed it has.
SamplerOptions sampler_of(const Request& request, int64_t index);
// Throws Error(invalid_input) for an empty prompt, a token outside of `vocab_size`, and options out
// of range, those of the last answer included. The prompt's length is not looked at.
void check_request(const Request& request, int64_t vocab_size);

struct AnswerSummary {
  StopReason reason = StopReason::max_tokens;
  int64_t prompt_tokens = 0;
  int64_t reused_tokens = 0;  // of the prompt, found in the cache while it was first read
  int64_t new_tokens = 0;
  int64_t cached_tokens = 0;      // of prompt and text, whose keys had been computed at the end
  double prefill_seconds = 0.0;   // from the first pass over the prompt to the first new token
  double decode_seconds = 0.0;    // from there to the end
  std::exception_ptr error = {};  // of an answer that failed
};

// A new token, or the end of an answer.
struct Event {
  int64_t request;
  int64_t answer;
  bool finished;
  int32_t token = -1;                          // unless finished
  std::optional<TokenLogprobs> logprobs = {};  // of the token, if asked for
  AnswerSummary summary = {};                  // if finished
};

}  // namespace cadre::infer
