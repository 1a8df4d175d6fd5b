#include "infer/scheduler.h"

#include <algorithm>
#include <iterator>

#include "core/base/error.h"

namespace cadre::infer {
namespace {

void insert_by_rank(auto& answers, std::unique_ptr<Answer> answer) {
  const auto place = std::ranges::upper_bound(
      answers, *answer, [](const Answer& a, const Answer& b) { return a.before(b); },
      [](const std::unique_ptr<Answer>& other) -> const Answer& { return *other; });
  answers.insert(place, std::move(answer));
}

std::unique_ptr<Answer> take(auto& answers, const Answer& answer) {
  const auto place = std::ranges::find(answers, &answer, &std::unique_ptr<Answer>::get);
  if (place == answers.end()) return nullptr;
  std::unique_ptr<Answer> taken = std::move(*place);
  answers.erase(place);
  return taken;
}

// Moves those that are chosen behind the others in `taken`.
void take_if(auto& answers, const std::function<bool(const Answer&)>& chosen,
             std::vector<std::unique_ptr<Answer>>& taken) {
  const auto first = std::stable_partition(
      answers.begin(), answers.end(),
      [&](const std::unique_ptr<Answer>& answer) { return !chosen(*answer); });
  std::move(first, answers.end(), std::back_inserter(taken));
  answers.erase(first, answers.end());
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
  give_pages_up(*answer);
  insert_by_rank(waiting_, std::move(answer));
  return false;
}

Answer* Scheduler::find(int64_t request, int64_t index) {
  const auto is_it = [&](const std::unique_ptr<Answer>& answer) {
    return answer->request == request && answer->index == index;
  };
  if (const auto place = std::ranges::find_if(running_, is_it); place != running_.end()) {
    return place->get();
  }
  const auto place = std::ranges::find_if(waiting_, is_it);
  return place == waiting_.end() ? nullptr : place->get();
}

std::unique_ptr<Answer> Scheduler::remove(const Answer& answer) {
  std::unique_ptr<Answer> taken = take(running_, answer);
  return taken != nullptr ? std::move(taken) : take(waiting_, answer);
}

std::vector<std::unique_ptr<Answer>> Scheduler::remove_if(
    const std::function<bool(const Answer&)>& chosen) {
  std::vector<std::unique_ptr<Answer>> taken;
  take_if(running_, chosen, taken);
  take_if(waiting_, chosen, taken);
  return taken;
}

void Scheduler::give_pages_up(Answer& answer) {
  const auto cached = static_cast<size_t>(answer.cache.length);
  cache_.release(answer.cache, std::span(answer.tokens).first(cached));
  answer.preempted = true;
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
  if (victim->cache.length > 0) {
    ++preemptions_;
    give_pages_up(*victim);
  } else {
    cache_.abandon(victim->cache);  // reserved in this step, and empty
  }
  insert_by_rank(waiting_, std::move(victim));
}

// Whether it could read all that it knows, and write a token, beside those that run.
bool Scheduler::fits(const Answer& next) {
  const std::pair key = {next.request, next.index};
  if (refused_ == key && refused_at_ == cache_.changes()) return false;
  promised_.assign(cache_.num_groups(), 0);
  for (const std::unique_ptr<Answer>& answer : running_) {
    cache_.add_missing(answer->cache, std::ssize(answer->tokens) + 1, promised_);
  }
  if (cache_.fits(next.tokens, std::ssize(next.tokens) + 1, promised_)) return true;
  refused_ = key;
  refused_at_ = cache_.changes();
  return false;
}

// Whether the first of those that wait may run: a place is free and it fits, or it is of higher
// priority than one that runs.
bool Scheduler::may_enter(const Answer& next) {
  if (running_.empty()) return true;
  const Answer& last = *running_.back();
  const bool higher = next.options->priority > last.options->priority;
  if (std::ssize(running_) >= max_sequences_) {
    if (higher) preempt(last);
    return higher;
  }
  return higher || fits(next);
}

void Scheduler::admit(Context& ctx) {
  while (!waiting_.empty() && may_enter(*waiting_.front())) {
    std::unique_ptr<Answer> next = std::move(waiting_.front());
    waiting_.pop_front();
    Answer& answer = *next;
    insert_by_rank(running_, std::move(next));  // first: an error leaves no text without an owner
    reuse(ctx, answer);
  }
}

// What the cache has of that which comes next, in front of a page.
void Scheduler::reuse(Context& ctx, Answer& answer) {
  const int64_t found = cache_.attach(ctx, answer.cache, answer.tokens);
  reused_tokens_ += found;
  if (!answer.preempted) answer.reused += found;
}

// Whether another is reading, in this step, the page that this one would read.
bool Scheduler::is_being_read(const Answer& answer) const {
  return std::ranges::any_of(scheduled_, [&](const ScheduledTokens& entry) {
    return cache_.reads_page_of(entry.answer->cache, entry.answer->tokens, answer.cache,
                                answer.tokens);
  });
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

void Scheduler::schedule(Context& ctx, Answer& answer, int64_t count) {
  count = make_room(answer, count);
  if (count == 0) return;
  cache_.reserve(ctx, answer.cache, count);
  scheduled_.push_back({&answer, count});
  left_ -= count;
}

// Those that are preempted on the way stand behind, here and below.
void Scheduler::schedule_texts(Context& ctx) {
  for (size_t i = 0; i < running_.size(); ++i) {
    if (running_[i]->decoding()) schedule(ctx, *running_[i], 1);
  }
}

void Scheduler::schedule_prompts(Context& ctx) {
  for (size_t i = 0; i < running_.size() && left_ > 0; ++i) {
    Answer& answer = *running_[i];
    if (answer.decoding()) continue;
    reuse(ctx, answer);
    if (is_being_read(answer)) continue;
    schedule(ctx, answer, std::min({left_, step_tokens_, answer.pending()}));
  }
}

// Behind the tokens of their texts, as far as there are pages that nobody has.
void Scheduler::schedule_drafts(Context& ctx) {
  for (ScheduledTokens& entry : scheduled_) {
    Answer& answer = *entry.answer;
    if (!answer.decoding()) continue;
    const int64_t drafts = std::min(left_, std::ssize(answer.drafts));
    if (drafts < 1) continue;
    const int64_t count = cache_.extendable(answer.cache, entry.count + drafts);
    cache_.reserve(ctx, answer.cache, count);
    left_ -= count - entry.count;
    entry.count = count;
  }
}

const std::vector<ScheduledTokens>& Scheduler::plan(Context& ctx) {
  scheduled_.clear();
  admit(ctx);
  left_ = std::max<int64_t>(step_tokens_, std::ssize(running_));
  schedule_texts(ctx);
  schedule_prompts(ctx);
  schedule_drafts(ctx);
  CADRE_CHECK(!scheduled_.empty() || running_.empty());
  return scheduled_;
}

}  // namespace cadre::infer
