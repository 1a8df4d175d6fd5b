// Time in a training run: the rate over the last steps, and how many steps a budget of minutes
// allows.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace cadre::train {

class Pace {
 public:
  using Clock = std::chrono::steady_clock;

  // `seconds_before`: what the run took before this process.
  explicit Pace(double seconds_before = 0.0) : before_(seconds_before), start_(Clock::now()) {}

  // Call after each step, and pause around what is no step (validation, samples).
  void step_done(double step_seconds);
  double elapsed() const;
  // Mean of the last steps; 0 before the first.
  double seconds_per_step() const;
  // Steps in this process.
  int64_t steps() const { return steps_; }

  // True once the step time is known well enough to plan a run: some steps and some seconds, the
  // first two of which (page faults, caches) do not count.
  bool can_plan() const;
  // Steps that still fit into the budget besides `other_seconds` of other work; at least 1.
  int64_t steps_that_fit(double budget_seconds, double other_seconds) const;

 private:
  double before_;
  Clock::time_point start_;
  std::deque<double> recent_;
  double counted_seconds_ = 0.0;  // from the third step on
  int64_t steps_ = 0;
};

double seconds_since(Pace::Clock::time_point start);

}  // namespace cadre::train
