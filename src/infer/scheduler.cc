#include "infer/scheduler.h"

#include <algorithm>

#include "core/base/error.h"

namespace cadre::infer {
namespace {

void insert_by_rank(std::vector<std::unique_ptr<Answer>>& answers, std::unique_ptr<Answer> answer) {
  const auto place = std::ranges::upper_bound(
      answers, *answer, [](const Answer& a, const Answer& b) { return a.before(b); },
      [](const std::unique_ptr<Answer>& other) -> const Answer& { return *other; });
  answers.insert(place, std::move(answer));
}

std::unique_ptr<Answer> take(std::vector<std::unique_ptr<Answer>>& answers, const Answer& answer) {
  const auto place = std::ranges::find(answers, &answer, &std::unique_ptr<Answer>::get);
  if (place == answers.end()) return nullptr;
  std::unique_ptr<Answer> taken = std::move(*place);
  answers.erase(place);
  return taken;
}

}  // namespace

Scheduler::Scheduler(PagedCache& cache, int64_t max_sequences, int64_t step_tokens)
    : cache_(cache), max_sequences_(max_sequences), step_tokens_(step_tokens) {}

void Scheduler::submit(std::unique_ptr<Answer> answer) {
  insert_by_rank(waiting_, std::move(answer));
}

bool Scheduler::adopt(std::unique_ptr<Answer> answer) {
  if (std::ssize(running_) < max_sequences_) {
    insert_by_rank(running_, std::move(answer));
    return true;
  }
  const auto cached = static_cast<size_t>(answer->cache.length);
  cache_.release(answer->cache, std::span(answer->tokens).first(cached));
  insert_by_rank(waiting_, std::move(answer));
  return false;
}

std::unique_ptr<Answer> Scheduler::remove(const Answer& answer) {
  std::unique_ptr<Answer> taken = take(running_, answer);
  return taken != nullptr ? std::move(taken) : take(waiting_, answer);
}

// Its tokens of this step, if it had any, are free again.
void Scheduler::preempt(const Answer& answer) {
  std::erase_if(scheduled_, [&](const ScheduledTokens& entry) {
    if (entry.answer != &answer) return false;
    left_ += entry.count;
    return true;
  });
  std::unique_ptr<Answer> victim = take(running_, answer);
  victim->drafts.clear();
  const auto cached = static_cast<size_t>(victim->cache.length);
  cache_.release(victim->cache, std::span(victim->tokens).first(cached));
  insert_by_rank(waiting_, std::move(victim));
  ++preemptions_;
}

// Whether the first of those that wait may run: a place is free and its tokens fit, or it is of
// higher priority than one that runs.
bool Scheduler::may_enter(const Answer& next) {
  if (running_.empty()) return true;
  const Answer& last = *running_.back();
  const bool higher = next.options->priority > last.options->priority;
  if (std::ssize(running_) >= max_sequences_) {
    if (higher) preempt(last);
    return higher;
  }
  return higher || cache_.fits(next.tokens, static_cast<int64_t>(next.tokens.size()) + 1);
}

void Scheduler::admit(Context& ctx) {
  while (!waiting_.empty() && may_enter(*waiting_.front())) {
    std::unique_ptr<Answer> next = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    const int64_t found = cache_.attach(ctx, next->cache, next->tokens);
    reused_tokens_ += found;
    if (next->reused < 0) next->reused = found;
    insert_by_rank(running_, std::move(next));
  }
}

// How many of `count` tokens the answer can have, after taking pages from those behind it; 0 if it
// has to wait for those before it.
int64_t Scheduler::make_room(const Answer& answer, int64_t count) {
  for (;;) {
    const int64_t room = cache_.extendable(answer.cache, count);
    if (room > 0) return room;
    const Answer& last = *running_.back();
    if (!answer.before(last)) return 0;
    preempt(last);
  }
}

void Scheduler::schedule(Context& ctx, bool decoding) {
  // Guesses must not take the place of others' tokens.
  int64_t others = decoding
                       ? std::ranges::count_if(running_, &Answer::decoding,
                                               [](const auto& a) -> const Answer& { return *a; })
                       : 0;
  // Those that are preempted on the way stand behind.
  for (size_t i = 0; i < running_.size() && left_ > 0; ++i) {
    Answer& answer = *running_[i];
    if (answer.decoding() != decoding) continue;
    const auto drafts = static_cast<int64_t>(answer.drafts.size());
    const int64_t most =
        decoding ? std::min(1 + drafts, std::max<int64_t>(1, left_ - --others)) : left_;
    const int64_t count = make_room(answer, std::min(most, answer.pending() + drafts));
    if (count == 0) continue;
    cache_.reserve(ctx, answer.cache, count);
    scheduled_.push_back({&answer, count});
    left_ -= count;
  }
}

const std::vector<ScheduledTokens>& Scheduler::plan(Context& ctx) {
  scheduled_.clear();
  left_ = step_tokens_;
  admit(ctx);
  schedule(ctx, /*decoding=*/true);
  schedule(ctx, /*decoding=*/false);
  CADRE_CHECK(!scheduled_.empty() || running_.empty());
  return scheduled_;
}

}  // namespace cadre::infer
