#include "train/optim/outliers.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace cadre::train {

bool OutlierDetector::exceeds(const std::deque<double>& history, double value) const {
  const auto count = static_cast<int64_t>(history.size());
  if (count < std::max<int64_t>(2, window_ / 2)) return false;
  double mean = 0.0;
  for (const double x : history) mean += x;
  mean /= static_cast<double>(count);
  double squares = 0.0;
  for (const double x : history) squares += (x - mean) * (x - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(count - 1));
  return value - mean > sigmas_ * deviation;
}

bool OutlierDetector::is_outlier(double loss, double gradient_norm) {
  if (!std::isfinite(loss) || !std::isfinite(gradient_norm)) return true;
  if (window_ <= 0) return false;
  const bool result = exceeds(losses_, loss) || exceeds(norms_, gradient_norm);
  losses_.push_back(loss);
  norms_.push_back(gradient_norm);
  while (static_cast<int64_t>(losses_.size()) > window_) {
    losses_.pop_front();
    norms_.pop_front();
  }
  return result;
}

void OutlierDetector::restore(const std::vector<double>& losses, const std::vector<double>& norms) {
  if (losses.size() != norms.size() || static_cast<int64_t>(losses.size()) > window_) {
    fail(ErrorKind::corrupt_data,
         "trainer state: {} losses and {} gradient norms, expected as many, at most {}",
         losses.size(), norms.size(), window_);
  }
  losses_.assign(losses.begin(), losses.end());
  norms_.assign(norms.begin(), norms.end());
}

}  // namespace cadre::train
