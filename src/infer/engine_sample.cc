// From the logits of a pass to new tokens.
#include <algorithm>

#include "core/base/error.h"
#include "infer/engine.h"

namespace cadre::infer {
namespace {

// The one place where a token is chosen.
int32_t next_token(Answer& answer, std::span<const float> logits) {
  return answer.sampler.sample(
      {.logits = logits,
       .position = std::ssize(answer.tokens),
       .history = answer.tokens,
       .prompt_length = answer.prompt_size,
       .stop_tokens = answer.options->text.stop_tokens,
       .allowed = answer.constraint ? answer.constraint->allowed() : std::span<const uint64_t>()});
}

// The token joins the text.
void accept(Answer& answer, int32_t token, std::span<const float> logits) {
  const TextOptions& text = answer.options->text;
  if (answer.constraint) answer.constraint->accept(token);
  if (text.logprobs >= 0) answer.logprobs.push_back(logprobs_of(logits, token, text.logprobs));
  answer.tokens.push_back(token);
}

}  // namespace

// Lists the rows of the pass whose logits are wanted: those of the last known token of each answer
// and of the guesses behind it.
void Engine::collect_rows(const std::vector<ScheduledTokens>& plan) {
  known_.clear();
  rows_.clear();
  sampled_.clear();
  siblings_.clear();
  int64_t begin = 0;
  for (const ScheduledTokens& entry : plan) {
    Answer& answer = *entry.answer;
    known_.push_back(std::ssize(answer.tokens));
    const int64_t last = begin + answer.pending() - 1;
    begin += entry.count;
    if (last >= begin) continue;  // more of the prompt is to come
    if (answer.num_new() >= answer.options->text.max_tokens) {
      answer.finished = StopReason::max_tokens;  // nothing was asked for but to read
    }
    const auto row = static_cast<int64_t>(rows_.size());
    const size_t sampled = sampled_.size();
    if (answer.index == 0 && !answer.forked) make_siblings(answer, row);
    if (!answer.finished) sampled_.push_back({&answer, row, begin - last});
    if (sampled_.size() == sampled) continue;
    for (int64_t r = last; r < begin; ++r) rows_.push_back(r);
  }
}

// The other answers to the request begin with the same logits.
void Engine::make_siblings(Answer& answer, int64_t row) {
  for (int64_t i = 1; i < answer.options->num_answers; ++i) {
    if (answer.ended.contains(i)) continue;
    try {
      siblings_.push_back(make_answer(answer.request, i, answer.options));
    } catch (...) {
      end_unmade(answer, i, StopReason::failed, std::current_exception(), events_);
      continue;
    }
    Answer& sibling = *siblings_.back();
    sibling.reused = answer.prompt_size;
    sibling.started = answer.started;
    sibling.finished = answer.finished;
    if (!answer.finished) sampled_.push_back({&sibling, row, 1});
  }
  if (answer.ended.contains(0)) answer.finished = StopReason::cancelled;  // it read for the others
}

// Each answer has a sampler of its own, so they may run at the same time.
void Engine::sample_all(Context& ctx, const Tensor& logits) {
  ctx.for_blocks(std::ssize(sampled_), 1, [&](Range part) {
    for (int64_t i = part.begin; i < part.end; ++i) {
      sample(sampled_[static_cast<size_t>(i)], logits.data<float>(), logits.dim(1));
    }
  });
}

// A guess stands if it is the very token that is drawn in its place: the text is the one that no
// guess would have changed, and the logits behind it are those of the text.
void Engine::sample(const SampledRows& rows, const float* logits, int64_t stride) const {
  Answer& answer = *rows.answer;
  const TextOptions& text = answer.options->text;
  const int64_t candidates =
      text.num_candidates > 0 ? std::min(text.num_candidates, stride) : stride;
  try {
    for (int64_t i = 0; i < rows.count && !answer.finished; ++i) {
      const std::span<const float> row(logits + (rows.first + i) * stride,
                                       static_cast<size_t>(candidates));
      if (answer.constraint && answer.constraint->must_end()) {
        answer.finished = StopReason::complete;
        break;
      }
      const int32_t token = next_token(answer, row);
      if (std::ranges::find(text.stop_tokens, token) != text.stop_tokens.end()) {
        answer.finished = StopReason::stop_token;
        break;
      }
      accept(answer, token, row);
      if (std::ssize(answer.tokens) > max_length()) {
        answer.finished = StopReason::context_full;
      } else if (answer.num_new() >= text.max_tokens) {
        answer.finished = StopReason::max_tokens;
      }
      if (i + 1 < rows.count && answer.drafts[static_cast<size_t>(i)] != token) break;
    }
  } catch (...) {
    answer.error = std::current_exception();
    answer.finished = StopReason::failed;
  }
}

}  // namespace cadre::infer
