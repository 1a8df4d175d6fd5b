#include "infer/generator.h"

#include <algorithm>
#include <chrono>

namespace cadre::infer {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Runs tokens through the model behind what the cache holds; the logits of the last one, [1, V].
Tensor step(Context& ctx, const model::Decoder& decoder, KvCache& cache,
            std::span<const int32_t> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  auto positions = std::make_shared<std::vector<int32_t>>(tokens.size());
  for (int64_t i = 0; i < count; ++i) {
    (*positions)[static_cast<size_t>(i)] = static_cast<int32_t>(cache.length() + i);
  }
  nn::ForwardInput input;
  input.tokens = std::make_shared<const std::vector<int32_t>>(tokens.begin(), tokens.end());
  input.positions = std::move(positions);
  input.store = &cache;
  cache.begin_step(count);
  const Tensor hidden = decoder.hidden(ctx, input, nullptr);
  cache.end_step();
  return decoder.logits(ctx, hidden.slice(count - 1, count));
}

}  // namespace

GenerateResult generate(Context& ctx, const model::Decoder& decoder,
                        std::span<const int32_t> prompt, const GenerateOptions& options,
                        const std::function<bool(int32_t)>& on_token) {
  const model::ModelSpec& spec = decoder.spec();
  const auto prompt_length = static_cast<int64_t>(prompt.size());
  if (prompt.empty()) fail(ErrorKind::invalid_input, "the prompt is empty, expected a token");
  if (prompt_length > spec.max_positions) {
    fail(ErrorKind::invalid_input, "the prompt has {} tokens, the model's context holds {}",
         prompt_length, spec.max_positions);
  }
  if (options.prefill_chunk < 1) {
    fail(ErrorKind::invalid_input, "prefill_chunk = {}, expected at least 1",
         options.prefill_chunk);
  }
  const int64_t candidates = options.num_candidates > 0
                                 ? std::min(options.num_candidates, spec.vocab_size)
                                 : spec.vocab_size;
  Sampler sampler(options.sampler);
  KvCache cache(spec, decoder.parameters().compute(), spec.max_positions);
  GenerateResult result;
  auto start = std::chrono::steady_clock::now();
  Tensor logits;
  for (int64_t begin = 0; begin < prompt_length; begin += options.prefill_chunk) {
    const int64_t size = std::min(options.prefill_chunk, prompt_length - begin);
    logits = step(ctx, decoder, cache,
                  prompt.subspan(static_cast<size_t>(begin), static_cast<size_t>(size)));
  }
  result.prefill_seconds = seconds_since(start);
  start = std::chrono::steady_clock::now();
  for (;;) {
    if (static_cast<int64_t>(result.tokens.size()) >= options.max_tokens) break;
    const std::span<const float> row(logits.data<float>(), static_cast<size_t>(candidates));
    const int32_t token = sampler.sample(row, cache.length());
    if (std::ranges::find(options.stop_tokens, token) != options.stop_tokens.end()) {
      result.reason = StopReason::stop_token;
      break;
    }
    result.tokens.push_back(token);
    if (on_token && !on_token(token)) {
      result.reason = StopReason::cancelled;
      break;
    }
    if (cache.length() >= cache.max_length()) {
      result.reason = StopReason::context_full;
      break;
    }
    if (static_cast<int64_t>(result.tokens.size()) >= options.max_tokens) break;
    logits = step(ctx, decoder, cache, std::span(&token, 1));
  }
  result.decode_seconds = seconds_since(start);
  return result;
}

}  // namespace cadre::infer
