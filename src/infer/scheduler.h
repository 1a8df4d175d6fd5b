// Who computes how many tokens in the next step.
//
// Each step takes one token of every text that is being written, and fills what its budget leaves
// with pieces of prompts, so that long prompts neither wait for others nor hold them up: continuous
// batching (Yu et al., "Orca", OSDI 2022) with prompts cut to fit (Agrawal et al., "Sarathi-Serve",
// arXiv:2403.02310). When pages run out, the last in rank gives its own up and waits; what it had
// is computed again later, as far as it has gone from the cache.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "infer/answer.h"
#include "infer/paged_cache.h"

namespace cadre::infer {

struct ScheduledTokens {
  Answer* answer;
  int64_t count;  // pending tokens first, then drafts
};

// Owns the answers that are not finished. Belongs to one thread.
class Scheduler {
 public:
  Scheduler(PagedCache& cache, int64_t max_sequences, int64_t step_tokens);

  // 1 or more; takes effect with the next plan.
  void set_step_tokens(int64_t tokens) { step_tokens_ = tokens; }

  void submit(std::unique_ptr<Answer> answer);
  // An answer whose cache has been filled already goes on at once if there is room for one more to
  // run, and is true then; else its pages go back and it waits like others.
  bool adopt(std::unique_ptr<Answer> answer);
  // Chooses the tokens of a step and makes room for them in the cache. Empty only if there is no
  // answer left. Valid until the next call.
  const std::vector<ScheduledTokens>& plan(Context& ctx);
  // Takes an answer out; its cache is left to the caller.
  std::unique_ptr<Answer> remove(const Answer& answer);

  // Both in order of rank.
  const std::vector<std::unique_ptr<Answer>>& running() const { return running_; }
  const std::vector<std::unique_ptr<Answer>>& waiting() const { return waiting_; }
  int64_t preemptions() const { return preemptions_; }
  // Prompt tokens found in the cache, those of resumed answers included.
  int64_t reused_tokens() const { return reused_tokens_; }

 private:
  using Answers = std::vector<std::unique_ptr<Answer>>;

  void admit(Context& ctx);
  bool may_enter(const Answer& next);
  void schedule(Context& ctx, bool decoding);
  int64_t make_room(const Answer& answer, int64_t count);
  void preempt(const Answer& answer);

  PagedCache& cache_;
  int64_t max_sequences_;
  int64_t step_tokens_;
  int64_t left_ = 0;  // of the step's budget
  Answers running_;
  Answers waiting_;
  std::vector<ScheduledTokens> scheduled_;
  int64_t preemptions_ = 0;
  int64_t reused_tokens_ = 0;
};

}  // namespace cadre::infer
