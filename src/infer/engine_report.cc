// After a pass: what the caches keep, which events there are, who has finished or is cancelled.
#include <algorithm>
#include <utility>

#include "infer/engine.h"

namespace cadre::infer {
namespace {

double seconds_between(Answer::Clock::time_point from, Answer::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

Event end_of(const Answer& answer, int64_t index, StopReason reason, std::exception_ptr error) {
  const auto now = Answer::Clock::now();
  const auto started = answer.started.value_or(now);
  const auto answered = answer.answered.value_or(now);
  return {.request = answer.request,
          .answer = index,
          .finished = true,
          .summary = {.reason = reason,
                      .prompt_tokens = answer.prompt_size,
                      .reused_tokens = answer.reused,
                      .new_tokens = answer.num_new(),
                      .cached_tokens = answer.cache.length,
                      .prefill_seconds = seconds_between(started, answered),
                      .decode_seconds = seconds_between(answered, now),
                      .error = std::move(error)}};
}

}  // namespace

void Engine::report(const std::vector<ScheduledTokens>& plan) {
  for (size_t i = 0; i < plan.size(); ++i) {
    Answer& answer = *plan[i].answer;
    try {
      keep(plan[i], i);
    } catch (...) {
      fail_one(answer, std::current_exception());
      continue;
    }
    if (answer.finished) finish(answer);
  }
}

// What one answer of the pass, the i-th, has computed and drawn.
void Engine::keep(const ScheduledTokens& entry, size_t i) {
  Answer& answer = *entry.answer;
  const int64_t known = known_[i];
  const int64_t before = answer.cache.length;
  const int64_t end = before + entry.count;
  (known > answer.prompt_size && known - before == 1 ? statistics_.decode_tokens
                                                     : statistics_.prefill_tokens) += entry.count;
  // Keys of guesses that stand are keys of the text.
  int64_t valid = std::min(end, known);
  while (valid < end && valid < std::ssize(answer.tokens) &&
         answer.drafts[static_cast<size_t>(valid - known)] ==
             answer.tokens[static_cast<size_t>(valid)]) {
    ++valid;
  }
  statistics_.drafted_tokens += std::max<int64_t>(0, end - known);
  statistics_.accepted_tokens += std::max<int64_t>(0, valid - known);
  pass_.shorten(i, valid - before);
  cache_.commit(answer.cache, std::span(answer.tokens).first(static_cast<size_t>(valid)));
  answer.drafts.clear();
  if (answer.num_new() > 0 && !answer.answered) answer.answered = Answer::Clock::now();
  report_tokens(answer, known);
  if (answer.index == 0 && !answer.forked && valid >= answer.prompt_size) {
    answer.forked = true;
    adopt_siblings(answer);
  }
}

void Engine::report_tokens(Answer& answer, int64_t known) {
  const int64_t end = std::ssize(answer.tokens);
  for (int64_t i = known; i < end; ++i) {
    events_.push_back({.request = answer.request,
                       .answer = answer.index,
                       .finished = false,
                       .token = answer.tokens[static_cast<size_t>(i)]});
    if (!answer.logprobs.empty()) {
      events_.back().logprobs = std::move(answer.logprobs.at(static_cast<size_t>(i - known)));
    }
  }
  answer.logprobs.clear();
  statistics_.new_tokens += end - known;
}

// The other answers of the request share its pages from here on.
void Engine::adopt_siblings(const Answer& answer) {
  for (std::unique_ptr<Answer>& sibling : siblings_) {
    if (sibling == nullptr || sibling->request != answer.request) continue;
    sibling->cache = cache_.fork(answer.cache);
    if (sibling->num_new() > 0) sibling->answered = Answer::Clock::now();
    report_tokens(*sibling, sibling->prompt_size);
    if (sibling->finished) {
      give_up(std::move(sibling), events_);
    } else {
      scheduler_.adopt(std::move(sibling));
    }
  }
}

// Ends an answer that has not been forked from the first yet.
void Engine::end_unmade(Answer& first, int64_t index, StopReason reason, std::exception_ptr error,
                        std::vector<Event>& events) const {
  first.ended.insert(index);
  events.push_back(end_of(first, index, reason, std::move(error)));
}

void Engine::finish(const Answer& answer) { give_up(scheduler_.remove(answer), events_); }

// Ends an answer that is not scheduled any more, and those that would have been forked from it.
void Engine::give_up(std::unique_ptr<Answer> answer, std::vector<Event>& events) {
  const bool alone = answer->index > 0 || answer->forked;
  const int64_t end = alone ? answer->index + 1 : answer->options->num_answers;
  for (int64_t i = answer->index; i < end; ++i) {
    if (answer->ended.contains(i)) continue;
    events.push_back(end_of(*answer, i, answer->finished.value(), answer->error));
  }
  if (draft_) draft_->forget(*answer);
  const auto cached = static_cast<size_t>(answer->cache.length);
  cache_.release(answer->cache, std::span(answer->tokens).first(cached));
}

void Engine::fail_all(std::vector<ScheduledTokens> plan, const std::exception_ptr& error) {
  siblings_.clear();
  for (size_t i = 0; i < plan.size(); ++i) {
    // What was drawn is not reported.
    if (i < known_.size()) plan[i].answer->tokens.resize(static_cast<size_t>(known_[i]));
    fail_one(*plan[i].answer, error);
  }
}

// Ends an answer of which some layers may have seen the last tokens and others not.
void Engine::fail_one(const Answer& failed, const std::exception_ptr& error) {
  const auto end = [&](std::unique_ptr<Answer> answer) {
    answer->finished = StopReason::failed;
    answer->error = error;
    cache_.abandon(answer->cache);
    give_up(std::move(answer), events_);
  };
  // Those that it has not handed its pages to.
  for (std::unique_ptr<Answer>& sibling : siblings_) {
    if (failed.forked && sibling && sibling->request == failed.request) end(std::move(sibling));
  }
  end(scheduler_.remove(failed));
}

bool Engine::cancel_if(const std::function<bool(const Answer&)>& chosen) {
  std::vector<std::unique_ptr<Answer>> taken = scheduler_.remove_if(chosen);
  for (std::unique_ptr<Answer>& answer : taken) {
    answer->finished = StopReason::cancelled;
    give_up(std::move(answer), pending_);
  }
  return !taken.empty();
}

bool Engine::cancel_all() {
  return cancel_if([](const Answer&) { return true; });
}

bool Engine::cancel(int64_t request) {
  return cancel_if([&](const Answer& answer) { return answer.request == request; });
}

bool Engine::cancel(int64_t request, int64_t answer) {
  Answer* first = scheduler_.find(request, 0);
  if (first == nullptr || first->forked) {
    return cancel_if([&](const Answer& a) { return a.request == request && a.index == answer; });
  }
  const int64_t count = first->options->num_answers;
  if (answer < 0 || answer >= count || first->ended.contains(answer)) return false;
  if (std::ssize(first->ended) + 1 == count) return cancel(request);
  end_unmade(*first, answer, StopReason::cancelled, nullptr, pending_);
  return true;
}

}  // namespace cadre::infer
