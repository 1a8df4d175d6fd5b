#include "train/pretrain/pace.h"

#include <algorithm>
#include <numeric>

namespace cadre::train {
namespace {

constexpr size_t kRecentSteps = 20;
constexpr int64_t kWarmSteps = 2;
constexpr int64_t kPlanSteps = 6;
constexpr double kPlanSeconds = 3.0;
// Checkpoints are written beside the steps and slow them a little.
constexpr double kShareForSteps = 0.95;

}  // namespace

double seconds_since(Pace::Clock::time_point start) {
  return std::chrono::duration<double>(Pace::Clock::now() - start).count();
}

void Pace::step_done(double step_seconds) {
  recent_.push_back(step_seconds);
  if (recent_.size() > kRecentSteps) recent_.pop_front();
  if (++steps_ > kWarmSteps) counted_seconds_ += step_seconds;
}

double Pace::elapsed() const { return before_ + seconds_since(start_); }

double Pace::seconds_per_step() const {
  if (recent_.empty()) return 0.0;
  const double sum = std::accumulate(recent_.begin(), recent_.end(), 0.0);
  return sum / static_cast<double>(recent_.size());
}

bool Pace::can_plan() const {
  return steps_ >= kWarmSteps + kPlanSteps && counted_seconds_ >= kPlanSeconds;
}

int64_t Pace::steps_that_fit(double budget_seconds, double other_seconds) const {
  const double step =
      counted_seconds_ / static_cast<double>(std::max<int64_t>(1, steps_ - kWarmSteps));
  const double left = kShareForSteps * (budget_seconds - elapsed()) - other_seconds;
  return std::max<int64_t>(1, static_cast<int64_t>(left / std::max(step, 1e-9)));
}

}  // namespace cadre::train
