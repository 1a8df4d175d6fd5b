#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/error.h"
#include "core/base/random.h"

namespace cadre::infer {

Sampler::Sampler(const SamplerOptions& options) : options_(options) {
  check_interval("sampler", "temperature", options.temperature, {0.0, 100.0});
  check_interval("sampler", "top_p", options.top_p, {0.0, 1.0});
  check_interval("sampler", "top_k", static_cast<double>(options.top_k), {0.0, 1e9});
}

int32_t Sampler::sample(std::span<const float> logits, int64_t position) {
  const auto best = std::max_element(logits.begin(), logits.end());
  if (best == logits.end() || !std::isfinite(*best)) {
    fail(ErrorKind::corrupt_data, "the model's logits are not finite: its weights are damaged");
  }
  const float largest = *best;
  if (options_.temperature == 0.0) return static_cast<int32_t>(best - logits.begin());

  order_.resize(logits.size());
  std::iota(order_.begin(), order_.end(), 0);
  size_t kept = logits.size();
  const bool cut = options_.top_k > 0 || options_.top_p < 1.0;
  if (options_.top_k > 0) kept = std::min(kept, static_cast<size_t>(options_.top_k));
  const auto more_likely = [&](int32_t a, int32_t b) {
    const float la = logits[static_cast<size_t>(a)];
    const float lb = logits[static_cast<size_t>(b)];
    return la > lb || (la == lb && a < b);
  };
  if (cut) {
    std::partial_sort(order_.begin(), order_.begin() + static_cast<int64_t>(kept), order_.end(),
                      more_likely);
  }
  weights_.resize(kept);
  double total = 0.0;
  for (size_t i = 0; i < kept; ++i) {
    const double z = logits[static_cast<size_t>(order_[i])];
    weights_[i] = std::exp((z - largest) / options_.temperature);
    total += weights_[i];
  }
  if (options_.top_p < 1.0) {
    double sum = 0.0;
    size_t nucleus = 0;
    while (nucleus < kept && (nucleus == 0 || sum < options_.top_p * total)) {
      sum += weights_[nucleus++];
    }
    kept = nucleus;
    total = sum;
  }
  const RandomStream random(static_cast<uint64_t>(options_.seed));
  double left = random.uniform_f64_at(static_cast<uint64_t>(position)) * total;
  for (size_t i = 0; i < kept; ++i) {
    left -= weights_[i];
    if (left < 0.0) return order_[i];
  }
  // Rounding may leave a sliver past the last weight: take the last that can be drawn at all.
  while (kept > 1 && weights_[kept - 1] == 0.0) --kept;
  return order_[kept - 1];
}

}  // namespace cadre::infer
