#include "infer/session.h"

#include <algorithm>
#include <chrono>

namespace cadre::infer {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void check_request(const model::ModelSpec& spec, std::span<const int32_t> prompt,
                   const GenerateOptions& options) {
  const auto length = static_cast<int64_t>(prompt.size());
  if (prompt.empty()) fail(ErrorKind::invalid_input, "the prompt is empty, expected a token");
  if (length > spec.max_positions) {
    fail(ErrorKind::invalid_input, "the prompt has {} tokens, the model's context holds {}", length,
         spec.max_positions);
  }
  if (options.prefill_chunk < 1) {
    fail(ErrorKind::invalid_input, "prefill_chunk = {}, expected at least 1",
         options.prefill_chunk);
  }
}

}  // namespace

Session::Session(const model::Decoder& decoder)
    : decoder_(decoder),
      cache_(decoder.spec(), decoder.parameters().compute(), decoder.spec().max_positions) {}

int64_t Session::keep_common_prefix(std::span<const int32_t> prompt) {
  const auto [ours, theirs] = std::ranges::mismatch(cached_, prompt);
  // The last token runs in any case: its logits are asked for.
  const int64_t common =
      std::min<int64_t>(ours - cached_.begin(), static_cast<int64_t>(prompt.size()) - 1);
  const int64_t kept = cache_.truncate(common);
  cached_.resize(static_cast<size_t>(kept));
  return kept;
}

Tensor Session::step(Context& ctx, std::span<const int32_t> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  auto positions = std::make_shared<std::vector<int32_t>>(tokens.size());
  for (int64_t i = 0; i < count; ++i) {
    (*positions)[static_cast<size_t>(i)] = static_cast<int32_t>(cache_.length() + i);
  }
  nn::ForwardInput input;
  input.tokens = std::make_shared<const std::vector<int32_t>>(tokens.begin(), tokens.end());
  input.positions = std::move(positions);
  input.store = &cache_;
  try {
    cache_.begin_step(count);
    const Tensor hidden = decoder_.hidden(ctx, input, nullptr);
    cache_.end_step();
    cached_.insert(cached_.end(), tokens.begin(), tokens.end());
    return decoder_.logits(ctx, hidden.slice(count - 1, count));
  } catch (...) {
    // Some layers have seen the tokens and others not.
    cached_.clear();
    cache_.truncate(0);
    throw;
  }
}

GenerateResult Session::generate(Context& ctx, std::span<const int32_t> prompt,
                                 const GenerateOptions& options,
                                 const std::function<bool(int32_t)>& on_token) {
  const model::ModelSpec& spec = decoder_.spec();
  check_request(spec, prompt, options);
  const int64_t candidates = options.num_candidates > 0
                                 ? std::min(options.num_candidates, spec.vocab_size)
                                 : spec.vocab_size;
  Sampler sampler(options.sampler);
  const auto constraint = options.constraint ? options.constraint->begin() : nullptr;
  GenerateResult result;
  auto start = std::chrono::steady_clock::now();
  result.reused_tokens = keep_common_prefix(prompt);
  Tensor logits;
  const auto prompt_length = static_cast<int64_t>(prompt.size());
  for (int64_t begin = result.reused_tokens; begin < prompt_length;
       begin += options.prefill_chunk) {
    if (options.keep_going && !options.keep_going()) {
      result.reason = StopReason::cancelled;
      return result;
    }
    const int64_t size = std::min(options.prefill_chunk, prompt_length - begin);
    logits = step(ctx, prompt.subspan(static_cast<size_t>(begin), static_cast<size_t>(size)));
  }
  result.prefill_seconds = seconds_since(start);
  start = std::chrono::steady_clock::now();
  for (;;) {
    if (static_cast<int64_t>(result.tokens.size()) >= options.max_tokens) break;
    const std::span<const float> row(logits.data<float>(), static_cast<size_t>(candidates));
    if (constraint && constraint->must_end()) {
      result.reason = StopReason::complete;
      break;
    }
    const int32_t token = sampler.sample(
        {.logits = row,
         .position = cache_.length(),
         .history = cached_,
         .prompt_length = prompt_length,
         .stop_tokens = options.stop_tokens,
         .allowed = constraint ? constraint->allowed() : std::span<const uint64_t>()});
    if (std::ranges::find(options.stop_tokens, token) != options.stop_tokens.end()) {
      result.reason = StopReason::stop_token;
      break;
    }
    if (constraint) constraint->accept(token);
    result.tokens.push_back(token);
    if (options.logprobs >= 0) result.logprobs.push_back(logprobs_of(row, token, options.logprobs));
    if (on_token && !on_token(token)) {
      result.reason = StopReason::cancelled;
      break;
    }
    if (cache_.length() >= cache_.max_length()) {
      result.reason = StopReason::context_full;
      break;
    }
    if (static_cast<int64_t>(result.tokens.size()) >= options.max_tokens) break;
    logits = step(ctx, std::span(&token, 1));
  }
  result.decode_seconds = seconds_since(start);
  return result;
}

}  // namespace cadre::infer
