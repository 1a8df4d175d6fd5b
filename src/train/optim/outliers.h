// Loss spikes: tells which steps are better not taken.
//
// A step is an outlier if its loss or its gradient norm is not finite, or lies more than `sigmas`
// standard deviations above the mean of the steps before it (at most `window` of them, at least
// half as many before anything is judged). This is the rule of OLMo-core's SkipStepOptimizer; like
// there, a finite outlier enters the window, so a lasting change of level is accepted in the end.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace cadre::train {

class OutlierDetector {
 public:
  OutlierDetector(int64_t window, double sigmas) : window_(window), sigmas_(sigmas) {}

  // True if the step must be skipped. Call once for each step.
  bool is_outlier(double loss, double gradient_norm);

  // What a checkpoint keeps, oldest first.
  std::vector<double> losses() const { return {losses_.begin(), losses_.end()}; }
  std::vector<double> norms() const { return {norms_.begin(), norms_.end()}; }
  // Throws Error(corrupt_data) if the two differ in length or are longer than the window.
  void restore(const std::vector<double>& losses, const std::vector<double>& norms);

 private:
  bool exceeds(const std::deque<double>& history, double value) const;

  int64_t window_;
  double sigmas_;
  std::deque<double> losses_, norms_;
};

}  // namespace cadre::train
