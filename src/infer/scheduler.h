// Who computes how many tokens in the next step.
//
// Each step takes one token of every text that is being written, and fills what its budget leaves
// with pieces of prompts, so that long prompts neither wait for others nor hold them up: continuous
// batching (Yu et al., "Orca", OSDI 2022) with prompts cut to fit (Agrawal et al., "Sarathi-Serve",
// arXiv:2403.02310). What is then left is for guesses. A budget below the number of texts that run
// is raised to it: nobody stands still, whatever the priorities of the others.
//
// Prompts that begin alike are read once, also by texts that run at the same time: at the border of
// a page a prompt takes what the cache has, and waits for one that is just reading the same page.
//
// A text comes in if it fits beside what those that run still need. When pages run out all the
// same, the last in rank gives its own up and waits; what it had is computed again later, as far as
// it has gone from the cache.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
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
  // Null if it is not there.
  Answer* find(int64_t request, int64_t index);
  // Takes answers out, those that run first; their caches are left to the caller.
  std::unique_ptr<Answer> remove(const Answer& answer);
  std::vector<std::unique_ptr<Answer>> remove_if(const std::function<bool(const Answer&)>& chosen);

  // Both in order of rank.
  const std::vector<std::unique_ptr<Answer>>& running() const { return running_; }
  const std::deque<std::unique_ptr<Answer>>& waiting() const { return waiting_; }
  // Answers that gave up keys that had been computed.
  int64_t preemptions() const { return preemptions_; }
  // Prompt tokens found in the cache, those of resumed answers included.
  int64_t reused_tokens() const { return reused_tokens_; }

 private:
  void admit(Context& ctx);
  bool may_enter(const Answer& next);
  bool fits(const Answer& next);
  void reuse(Context& ctx, Answer& answer);
  bool is_being_read(const Answer& answer) const;
  void schedule_texts(Context& ctx);
  void schedule_prompts(Context& ctx);
  void schedule_drafts(Context& ctx);
  void schedule(Context& ctx, Answer& answer, int64_t count);
  int64_t make_room(const Answer& answer, int64_t count);
  void preempt(const Answer& answer);
  void give_pages_up(Answer& answer);

  PagedCache& cache_;
  int64_t max_sequences_;
  int64_t step_tokens_;
  int64_t left_ = 0;  // of the step's budget
  std::vector<std::unique_ptr<Answer>> running_;
  std::deque<std::unique_ptr<Answer>> waiting_;
  // Who did not fit, [request, answer], and what the cache had seen by then: nothing has changed
  // for it before the cache has.
  std::pair<int64_t, int64_t> refused_ = {-1, -1};
  int64_t refused_at_ = -1;
  std::vector<int64_t> promised_;  // pages of each group that those that run still need
  std::vector<ScheduledTokens> scheduled_;
  int64_t preemptions_ = 0;
  int64_t reused_tokens_ = 0;
};

}  // namespace cadre::infer
