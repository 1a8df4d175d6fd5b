#include "infer/engine.h"

#include <algorithm>
#include <cstring>

#include "core/base/available_memory.h"
#include "core/base/error.h"

namespace cadre::infer {
namespace {

constexpr int64_t kTile = ops::kAttentionTile;
constexpr int64_t kMaxTokens = 1'000'000'000;  // of a cache
// Room for so many new tokens is made when a text begins; a longer one makes it as it grows.
constexpr int64_t kExpectedTokens = 1 << 14;

// What a token takes in all layers together.
int64_t bytes_per_token(const model::ModelSpec& spec, DType compute, CacheType type) {
  double bytes = 0;
  for (const model::BlockSpec& block : spec.blocks) {
    const model::AttentionSpec& attention = block.attention;
    const double each =
        type == CacheType::int8 ? 9.0 / 8.0 : static_cast<double>(dtype_size(compute));
    bytes += 2.0 * each * static_cast<double>(attention.num_kv_heads * attention.head_dim);
  }
  return std::max<int64_t>(1, static_cast<int64_t>(bytes));
}

// Bytes of a token in the engine's own cache.
int64_t bytes_per_token(const model::Decoder& decoder, const EngineOptions& options) {
  return bytes_per_token(decoder.spec(), decoder.parameters().compute(),
                         cache_type_from_name(options.cache_type));
}

// A draft model reads and writes as the other does, but as it was trained.
EngineOptions draft_options(EngineOptions options) {
  options.cache_type = "auto";
  options.sinks = 0;
  options.attention_window = 0;
  return options;
}

// `bytes_beside` are those of a token in another model's cache, which holds as many tokens; 0 if
// there is none.
CacheOptions cache_options(const model::Decoder& decoder, const EngineOptions& options,
                           int64_t bytes_beside) {
  check_interval("engine", "parallel", static_cast<double>(options.max_sequences), {1, 1e6});
  check_interval("engine", "step_tokens", static_cast<double>(options.step_tokens), {1, 1e6});
  check_interval("engine", "cache_tokens", static_cast<double>(options.cache_tokens),
                 {0, static_cast<double>(kMaxTokens)});
  const model::ModelSpec& spec = decoder.spec();
  CacheOptions cache = {.num_tokens = options.cache_tokens,
                        .max_sequences = options.max_sequences,
                        .step_tokens = options.step_tokens,
                        .type = cache_type_from_name(options.cache_type),
                        .window = options.attention_window,
                        .sinks = options.sinks,
                        .share_prefixes = options.share_prefixes};
  if (cache.num_tokens == 0) {
    const int64_t bytes = bytes_per_token(decoder, options) + bytes_beside;
    const auto half =
        static_cast<int64_t>(std::min<uint64_t>(available_memory_bytes() / 2, uint64_t{1} << 60));
    // A page or two more, for what is copied while its source is kept.
    const int64_t one =
        std::max(spec.max_positions, options.sinks + options.attention_window) + 2 * kTile;
    cache.num_tokens =
        std::max(one, std::min({half / bytes, one * options.max_sequences, kMaxTokens}));
  }
  return cache;
}

void check_length(int64_t length, int64_t max_positions, int64_t max_length) {
  if (length <= max_length) return;
  if (length > max_positions) {
    fail(ErrorKind::invalid_input, "the prompt has {} tokens, the model's context holds {}", length,
         max_positions);
  }
  fail(ErrorKind::invalid_input, "the prompt has {} tokens, the KV cache holds {}", length,
       max_length);
}

}  // namespace

Engine::Engine(const model::Decoder& decoder, const EngineOptions& options,
               const model::Decoder* draft)
    : decoder_(decoder),
      lookup_(options.lookup),
      draft_tokens_(options.draft_tokens),
      cache_(decoder.spec(), decoder.parameters().compute(),
             cache_options(decoder, options,
                           draft == nullptr ? 0 : bytes_per_token(*draft, draft_options(options)))),
      scheduler_(cache_, options.max_sequences, options.step_tokens),
      pass_(cache_) {
  check_interval("engine", "lookup", static_cast<double>(lookup_), {0, kMaxDrafts});
  check_interval("engine", "draft_tokens", static_cast<double>(draft_tokens_), {1, kMaxDrafts});
  if (draft == nullptr) return;
  const CacheOptions of_draft =
      cache_options(*draft, draft_options(options), bytes_per_token(decoder, options));
  draft_.emplace(*draft, decoder.spec().vocab_size, options.max_sequences, options.step_tokens,
                 of_draft.num_tokens);
}

void Engine::set_step_tokens(int64_t tokens) {
  check_interval("engine", "step_tokens", static_cast<double>(tokens), {1, 1e6});
  scheduler_.set_step_tokens(tokens);
}

std::unique_ptr<Answer> Engine::make_answer(int64_t number, int64_t index,
                                            const std::shared_ptr<const Request>& request) {
  const TextOptions& text = request->text;
  const int64_t expected =
      std::min(max_length() + 1, std::ssize(request->prompt) +
                                     std::clamp<int64_t>(text.max_tokens, 0, kExpectedTokens));
  auto answer = std::make_unique<Answer>(
      Answer{.request = number,
             .index = index,
             .arrival = number,
             .options = request,
             .sampler = Sampler(sampler_of(*request, index)),
             .constraint = text.constraint ? text.constraint->begin() : nullptr,
             .cache = cache_.make_sequence(expected),
             .tokens = {},
             .prompt_size = std::ssize(request->prompt)});
  answer->tokens.reserve(static_cast<size_t>(expected));
  answer->tokens.assign(request->prompt.begin(), request->prompt.end());
  return answer;
}

int64_t Engine::submit(Request request) {
  check_length(std::ssize(request.prompt), decoder_.spec().max_positions, max_length());
  check_request(request, decoder_.spec().vocab_size);
  const int64_t number = submitted_;
  const auto shared = std::make_shared<const Request>(std::move(request));
  scheduler_.submit(make_answer(number, 0, shared));
  ++submitted_;
  return number;
}

bool Engine::idle() const {
  return scheduler_.running().empty() && scheduler_.waiting().empty() && pending_.empty();
}

Tensor Engine::forward(Context& ctx, const std::vector<ScheduledTokens>& plan) {
  pass_.clear();
  for (const ScheduledTokens& entry : plan) {
    Answer& answer = *entry.answer;
    const int64_t drafted = std::max<int64_t>(0, entry.count - answer.pending());
    const std::span<const int32_t> known =
        std::span(answer.tokens).subspan(static_cast<size_t>(answer.cache.length));
    pass_.add(answer.cache, known.first(static_cast<size_t>(entry.count - drafted)),
              std::span(answer.drafts).first(static_cast<size_t>(drafted)));
  }
  return logits_of_rows(ctx, decoder_, pass_.hidden(ctx, decoder_), rows_);
}

std::span<const Event> Engine::step(Context& ctx) {
  if (lookup_ > 0 || draft_) make_drafts(ctx);
  events_.clear();
  const std::vector<ScheduledTokens>& plan = scheduler_.plan(ctx);
  events_.swap(pending_);  // which stay for another step if there is no plan for this one
  if (plan.empty()) return events_;
  ++statistics_.steps;
  const auto now = Answer::Clock::now();
  for (const ScheduledTokens& entry : plan) {
    if (!entry.answer->started) entry.answer->started = now;
  }
  try {
    collect_rows(plan);
    sample_all(ctx, forward(ctx, plan));
  } catch (...) {
    fail_all(plan, std::current_exception());
    return events_;
  }
  report(plan);
  return events_;
}

EngineStatistics Engine::statistics() const {
  EngineStatistics now = statistics_;
  now.reused_tokens = scheduler_.reused_tokens();
  now.preemptions = scheduler_.preemptions();
  if (draft_) now.draft_failures = draft_->failures();
  now.running = std::ssize(scheduler_.running());
  now.waiting = std::ssize(scheduler_.waiting());
  now.pages = cache_.usage();
  return now;
}

}  // namespace cadre::infer
