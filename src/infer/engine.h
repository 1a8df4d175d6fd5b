// Many prompts and their texts at a time, over one model and one paged KV cache.
//
//   Engine engine(decoder, {.max_sequences = 16});
//   engine.submit({.prompt = tokens});
//   while (!engine.idle()) for (const Event& event : engine.step(ctx)) ...
//
// A text is a function of the weights, the prompt, the options of its request and the type of the
// cache. Neither company, nor how prompts were cut, nor threads, nor that it had to give its pages
// up in between, nor what it shared changes a bit of its logits.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/fields.h"
#include "infer/draft_model.h"
#include "infer/paged_cache.h"
#include "infer/pass.h"
#include "infer/request.h"
#include "infer/scheduler.h"
#include "model/decoder.h"

namespace cadre::infer {

struct EngineOptions {
  int64_t max_sequences = 1;  // texts that are written at the same time
  int64_t step_tokens = 512;
  int64_t cache_tokens = 0;
  std::string cache_type = "auto";
  bool share_prefixes = true;
  int64_t attention_window = 0;
  int64_t sinks = 0;
  int64_t lookup = 0;
  int64_t draft_tokens = 4;

  void visit_fields(auto&& field) {
    field("step_tokens", step_tokens, Interval{1, 1e6},
          "tokens of one pass: one for each text, then pieces of prompts, then guesses");
    field("cache_tokens", cache_tokens, Interval{0, 1e9},
          "tokens that the KV cache holds in all; 0 takes what fits half of the free memory");
    field("cache_type", cache_type, Choices{{"auto", "int8"}},
          "how keys and values are kept: auto as they are computed, int8 in 9 bits a number");
    field("share_prefixes", share_prefixes, "read what prompts have in common once");
    field("attention_window", attention_window, Interval{0, 1e8},
          "let tokens see this many before them and no more; 0 leaves the model as it is");
    field("sinks", sinks, Interval{0, 1e6},
          "with a window, keep the first tokens in sight: texts of any length, memory that stays");
    field("lookup", lookup, Interval{0, 64},
          "guess so many tokens by what followed the same ones before; 0 is off");
    field("draft_tokens", draft_tokens, Interval{1, 64},
          "tokens that a draft model guesses at a time");
  }
};

struct EngineStatistics {
  int64_t steps = 0;
  int64_t prefill_tokens = 0;   // computed to read prompts, again after a preemption too
  int64_t decode_tokens = 0;    // computed while writing, guesses that were wrong included
  int64_t new_tokens = 0;       // reported
  int64_t reused_tokens = 0;    // found in the cache instead of being computed
  int64_t drafted_tokens = 0;   // guesses that were checked
  int64_t accepted_tokens = 0;  // those that were right
  int64_t preemptions = 0;      // answers that gave up what was computed for them
  int64_t draft_failures = 0;   // texts that the draft model failed at; they go on without it
  int64_t running = 0;
  int64_t waiting = 0;
  PagedCache::Usage pages;
};

// Belongs to one thread; the decoder must outlive it.
class Engine {
 public:
  // Throws Error(unsupported) for a model that cannot decode or a cache type it cannot have, and
  // Error(invalid_input) for options out of range. `draft`, a smaller model with the same tokens,
  // guesses what comes next, if it is there; it must outlive the engine, too. Guesses do not change
  // a text, nor does an error of the draft model, which only ends the guesses. Caches whose size is
  // left open share half of the free memory.
  Engine(const model::Decoder& decoder, const EngineOptions& options,
         const model::Decoder* draft = nullptr);

  // Longest text, prompt included: the model's context, or less if the cache is smaller; with sinks
  // what 32 bits can count.
  int64_t max_length() const { return cache_.capacity(); }
  void set_step_tokens(int64_t tokens);

  // Returns the number of the request. Throws Error(invalid_input) for an empty prompt, a token
  // outside the vocabulary, a prompt longer than max_length(), or options out of range.
  int64_t submit(Request request);
  // Ends what is left of a request; its events come with the next step. False if there is nothing.
  bool cancel(int64_t request);
  // Ends one answer, also before the prompt has been read: the others do not change.
  bool cancel(int64_t request, int64_t answer);
  bool cancel_all();
  bool idle() const;
  // One pass of the model over tokens of many sequences. Events of one answer come in order, those
  // of different ones in no particular order; they are valid until the next call. An error of one
  // text ends that answer, one in the pass the answers in it, each with an event that has the
  // error.
  std::span<const Event> step(Context& ctx);

  EngineStatistics statistics() const;

 private:
  // Rows of logits and the answer whose next tokens they give.
  struct SampledRows {
    Answer* answer;
    int64_t first;
    int64_t count;  // one more than the drafts that were computed
  };

  std::unique_ptr<Answer> make_answer(int64_t number, int64_t index,
                                      const std::shared_ptr<const Request>& request);
  // engine_draft.cc
  void make_drafts(Context& ctx);
  Tensor forward(Context& ctx, const std::vector<ScheduledTokens>& plan);
  // engine_sample.cc
  void collect_rows(const std::vector<ScheduledTokens>& plan);
  void make_siblings(Answer& answer, int64_t row);
  void sample_all(Context& ctx, const Tensor& logits);
  void sample(const SampledRows& rows, const float* logits, int64_t stride) const;
  // engine_report.cc
  void report(const std::vector<ScheduledTokens>& plan);
  void keep(const ScheduledTokens& entry, size_t i);
  void report_tokens(Answer& answer, int64_t known);
  void adopt_siblings(const Answer& answer);
  void end_unmade(Answer& first, int64_t index, StopReason reason, std::exception_ptr error,
                  std::vector<Event>& events) const;
  void finish(const Answer& answer);
  void fail_all(std::vector<ScheduledTokens> plan, const std::exception_ptr& error);
  void fail_one(const Answer& failed, const std::exception_ptr& error);
  void give_up(std::unique_ptr<Answer> answer, std::vector<Event>& events);
  bool cancel_if(const std::function<bool(const Answer&)>& chosen);

  const model::Decoder& decoder_;
  int64_t lookup_;
  int64_t draft_tokens_;
  PagedCache cache_;
  Scheduler scheduler_;
  Pass pass_;
  std::optional<DraftModel> draft_;
  std::vector<DraftModel::Wanted> wanted_drafts_;
  int64_t submitted_ = 0;
  EngineStatistics statistics_;
  std::vector<Event> pending_;  // of cancelled requests
  std::vector<Event> events_;
  // Kept for their memory.
  std::vector<int64_t> known_;  // tokens of each answer of the plan before the pass
  std::vector<int64_t> rows_;   // of the pass, whose logits are wanted
  std::vector<SampledRows> sampled_;
  std::vector<std::unique_ptr<Answer>> siblings_;  // sampled in this step, not yet scheduled
};

}  // namespace cadre::infer
