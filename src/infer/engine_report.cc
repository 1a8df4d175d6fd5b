// After a pass: what the caches keep, which events there are, who has finished.
#include <algorithm>

#include "infer/engine.h"

namespace cadre::infer {
namespace {

double seconds_between(Answer::Clock::time_point from, Answer::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

Event end_of(const Answer& answer, int64_t index) {
  const auto now = Answer::Clock::now();
  const auto started = answer.started.value_or(now);
  const auto answered = answer.answered.value_or(now);
  return {.request = answer.request,
          .answer = index,
          .finished = true,
          .summary = {.reason = answer.finished.value(),
                      .prompt_tokens = answer.prompt_size,
                      .reused_tokens = std::max<int64_t>(0, answer.reused),
                      .new_tokens = answer.num_new(),
                      .cached_tokens = answer.cache.length,
                      .prefill_seconds = seconds_between(started, answered),
                      .decode_seconds = seconds_between(answered, now),
                      .error = answer.error}};
}

}  // namespace

void Engine::report(const std::vector<ScheduledTokens>& plan) {
  for (size_t i = 0; i < plan.size(); ++i) {
    Answer& answer = *plan[i].answer;
    const int64_t known = known_[i];
    const int64_t before = answer.cache.length;
    const int64_t end = before + plan[i].count;
    (known > answer.prompt_size && known - before == 1 ? statistics_.decode_tokens
                                                       : statistics_.prefill_tokens) +=
        plan[i].count;
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
    if (!siblings_.empty() && !answer.forked && valid >= answer.prompt_size) {
      answer.forked = true;
      adopt_siblings(answer);
    }
    if (answer.finished) finish(answer);
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

void Engine::finish(const Answer& answer) { give_up(scheduler_.remove(answer), events_); }

// Ends an answer that is not scheduled any more, and those that would have been forked from it.
void Engine::give_up(std::unique_ptr<Answer> answer, std::vector<Event>& events) {
  events.push_back(end_of(*answer, answer->index));
  if (answer->index == 0 && !answer->forked) {
    for (int64_t i = 1; i < answer->options->num_answers; ++i) {
      events.push_back(end_of(*answer, i));
    }
  }
  if (draft_) draft_->forget(*answer);
  const auto cached = static_cast<size_t>(answer->cache.length);
  cache_.release(answer->cache, std::span(answer->tokens).first(cached));
}

void Engine::fail_all(std::vector<ScheduledTokens> plan, const std::exception_ptr& error) {
  siblings_.clear();
  for (size_t i = 0; i < plan.size(); ++i) {
    std::unique_ptr<Answer> answer = scheduler_.remove(*plan[i].answer);
    answer->finished = StopReason::failed;
    answer->error = error;
    // Some layers have seen the tokens and others not. What was drawn is not reported.
    cache_.abandon(answer->cache);
    if (i < known_.size()) answer->tokens.resize(static_cast<size_t>(known_[i]));
    give_up(std::move(answer), events_);
  }
}

}  // namespace cadre::infer
