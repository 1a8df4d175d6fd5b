// The sampler's chain by its definition: probabilities of all tokens, sorted whenever order
// matters.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "infer/sampler.h"

namespace cadre {

// The probability with which each candidate is drawn; 0 for what was cut. All in f64.
inline std::vector<double> plain_probabilities(const infer::SamplerOptions& options,
                                               const infer::SampleInput& input,
                                               const std::vector<std::pair<int32_t, float>>& bias) {
  const double forbidden = -std::numeric_limits<double>::infinity();
  const size_t size = input.logits.size();
  std::vector<float> z(input.logits.begin(), input.logits.end());
  for (const auto& [id, value] : bias) z[static_cast<size_t>(id)] += value;
  const auto history = std::vector<int32_t>(input.history.begin(), input.history.end());
  const size_t recent = options.repeat_last_n < 0
                            ? history.size()
                            : std::min<size_t>(options.repeat_last_n, history.size());
  const auto prompt = static_cast<int64_t>(
      options.penalize_prompt ? history.size() - recent : static_cast<size_t>(input.prompt_length));
  for (size_t id = 0; id < size; ++id) {
    const auto token = static_cast<int32_t>(id);
    if (std::count(history.end() - static_cast<int64_t>(recent), history.end(), token) > 0) {
      z[id] = static_cast<float>(z[id] > 0 ? z[id] / options.repeat_penalty
                                           : z[id] * options.repeat_penalty);
    }
    const auto count = std::count(history.begin() + prompt, history.end(), token);
    if (count > 0) {
      z[id] = static_cast<float>(z[id] - static_cast<double>(count) * options.frequency_penalty -
                                 options.presence_penalty);
    }
  }
  std::vector<double> scaled(size);
  for (size_t id = 0; id < size; ++id) {
    const bool may = input.allowed.empty() || (input.allowed[id / 64] >> (id % 64) & 1) != 0;
    scaled[id] = may ? z[id] / (options.temperature == 0.0 ? 1.0 : options.temperature) : forbidden;
  }
  const auto probabilities = [&] {
    const double largest = *std::max_element(scaled.begin(), scaled.end());
    std::vector<double> p(size);
    for (size_t id = 0; id < size; ++id) p[id] = std::exp(scaled[id] - largest);
    const double total = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& value : p) value /= total;
    return p;
  };
  // Keeps the beginning of what is left, sorted by cost, as long as `goes_on` says so.
  const auto keep = [&](const std::vector<double>& cost, auto&& goes_on) {
    const std::vector<double> p = probabilities();
    std::vector<size_t> order;
    for (size_t id = 0; id < size; ++id) {
      if (scaled[id] > forbidden) order.push_back(id);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return cost[a] < cost[b]; });
    double sum = 0.0;
    for (size_t rank = 0; rank < order.size(); ++rank) {
      const bool kept = rank == 0 || goes_on(rank, sum, p[order[rank]], p[order[0]]);
      sum += p[order[rank]];
      if (!kept) scaled[order[rank]] = forbidden;
    }
  };
  const auto rarity = [&] {
    std::vector<double> cost(size);
    for (size_t id = 0; id < size; ++id) cost[id] = -scaled[id];
    return cost;
  };
  if (options.temperature == 0.0) {
    keep(rarity(), [](size_t, double, double, double) { return false; });
    return probabilities();
  }
  if (options.top_k > 0) {
    keep(rarity(), [&](size_t rank, double, double, double) {
      return rank < static_cast<size_t>(options.top_k);
    });
  }
  if (options.top_p < 1.0) {
    keep(rarity(), [&](size_t, double sum, double, double) { return sum < options.top_p; });
  }
  if (options.min_p > 0.0) {
    keep(rarity(),
         [&](size_t, double, double p, double best) { return p >= options.min_p * best; });
  }
  if (options.typical_p < 1.0) {
    const std::vector<double> p = probabilities();
    double entropy = 0.0;
    for (const double value : p) entropy -= value > 0.0 ? value * std::log(value) : 0.0;
    std::vector<double> cost(size);
    for (size_t id = 0; id < size; ++id) cost[id] = std::fabs(-std::log(p[id]) - entropy);
    keep(cost, [&](size_t, double sum, double, double) { return sum < options.typical_p; });
  }
  return probabilities();
}

}  // namespace cadre
