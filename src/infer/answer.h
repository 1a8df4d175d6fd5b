// One text while it is being written: the engine's own record.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "infer/paged_cache.h"
#include "infer/request.h"
#include "infer/sampler.h"

namespace cadre::infer {

// Guesses that are checked in one pass, at most.
constexpr int64_t kMaxDrafts = 64;

struct Answer {
  using Clock = std::chrono::steady_clock;

  int64_t request;
  int64_t index;    // among the answers of the request
  int64_t arrival;  // requests are numbered as they come
  std::shared_ptr<const Request> options;
  Sampler sampler;
  std::unique_ptr<ConstraintState> constraint;  // null if there is none
  CacheSequence cache;
  std::vector<int32_t> tokens;  // the prompt and what has been written
  int64_t prompt_size;
  // Guesses at what comes next, to be checked in the next step.
  std::vector<int32_t> drafts = {};
  std::vector<TokenLogprobs> logprobs = {};  // of what was drawn in this step, if asked for
  bool forked = false;                       // the request's other answers have been made
  // Until then, of the first answer: those of the request that have ended already and are not made.
  // If it is among them it only reads the prompt for the others.
  std::set<int64_t> ended = {};
  bool preempted = false;  // has had to give its pages up
  int64_t reused = 0;      // of the prompt, found in the cache before that
  std::optional<Clock::time_point> started = {};
  std::optional<Clock::time_point> answered = {};  // the first new token
  std::optional<StopReason> finished = {};
  std::exception_ptr error = {};

  // Tokens that are known and not in the cache: at least one.
  int64_t pending() const { return static_cast<int64_t>(tokens.size()) - cache.length; }
  bool decoding() const { return pending() == 1 && num_new() > 0; }
  int64_t num_new() const { return static_cast<int64_t>(tokens.size()) - prompt_size; }
  // Whether this one goes before another.
  bool before(const Answer& other) const {
    if (options->priority != other.options->priority) {
      return options->priority > other.options->priority;
    }
    return arrival != other.arrival ? arrival < other.arrival : index < other.index;
  }
};

}  // namespace cadre::infer
