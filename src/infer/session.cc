#include "infer/session.h"

#include <utility>

#include "core/base/error.h"

namespace cadre::infer {
Session::Session(const model::Decoder& decoder, const EngineOptions& options,
                 const model::Decoder* draft)
    : engine_(decoder, options, draft) {}

GenerateResult Session::generate(Context& ctx, std::span<const int32_t> prompt,
                                 const GenerateOptions& options,
                                 const std::function<bool(int32_t)>& on_token) {
  if (options.prefill_chunk < 1) {
    fail(ErrorKind::invalid_input, "prefill_chunk = {}, expected at least 1",
         options.prefill_chunk);
  }
  engine_.set_step_tokens(options.prefill_chunk);
  const int64_t request = engine_.submit(
      {.prompt = std::vector<int32_t>(prompt.begin(), prompt.end()), .text = options});
  cached_.assign(prompt.begin(), prompt.end());
  GenerateResult result;
  AnswerSummary summary;
  bool wanted = true;
  try {
    while (!engine_.idle()) {
      if (wanted && result.tokens.empty() && options.keep_going && !options.keep_going()) {
        wanted = false;
        engine_.cancel(request);
      }
      for (const Event& event : engine_.step(ctx)) {
        if (event.finished) {
          summary = event.summary;
          continue;
        }
        cached_.push_back(event.token);
        if (!wanted) continue;
        result.tokens.push_back(event.token);
        if (event.logprobs) result.logprobs.push_back(*event.logprobs);
        wanted = !on_token || on_token(event.token);
      }
      if (!wanted) engine_.cancel(request);
    }
  } catch (...) {
    // The next prompt must find an engine without work, whatever this error is.
    cached_.clear();
    engine_.cancel(request);
    try {
      engine_.step(ctx);
    } catch (...) {  // the first error says more
    }
    throw;
  }
  if (summary.reason == StopReason::failed) {
    cached_.clear();
    std::rethrow_exception(summary.error);
  }
  cached_.resize(static_cast<size_t>(summary.cached_tokens));
  result.reason = wanted ? summary.reason : StopReason::cancelled;
  result.reused_tokens = summary.reused_tokens;
  result.prefill_seconds = summary.prefill_seconds;
  result.decode_seconds = summary.decode_seconds;
  return result;
}

}  // namespace cadre::infer
