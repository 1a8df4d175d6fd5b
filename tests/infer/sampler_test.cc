#include "infer/sampler.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/error.h"

namespace cadre {
namespace {

using infer::Sampler;
using infer::SamplerOptions;

constexpr std::array<float, 5> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};

// How often each candidate came in `draws` draws at positions 0, 1, ...
std::vector<double> shares(const SamplerOptions& options, int draws) {
  Sampler sampler(options);
  std::vector<double> counts(kLogits.size());
  for (int i = 0; i < draws; ++i) counts[static_cast<size_t>(sampler.sample(kLogits, i))] += 1;
  for (double& count : counts) count /= draws;
  return counts;
}

}  // namespace

TEST_CASE("sampler: temperature 0 takes the most likely token, the lower id of equals") {
  CHECK(Sampler({.temperature = 0.0}).sample(kLogits, 7) == 1);
}

TEST_CASE("sampler: draws follow the softmax at the temperature") {
  for (const double temperature : {0.5, 1.0, 2.0}) {
    const auto drawn = shares({.temperature = temperature}, 20000);
    double total = 0.0;
    for (const float z : kLogits) total += std::exp(z / temperature);
    for (size_t i = 0; i < kLogits.size(); ++i) {
      // Five standard deviations of a share of 20,000 draws are at most 0.018.
      CHECK(std::fabs(drawn[i] - std::exp(kLogits[i] / temperature) / total) < 0.018);
    }
  }
}

TEST_CASE("sampler: top_k and top_p cut the tail and rescale the rest") {
  const auto two = shares({.temperature = 1.0, .top_k = 2}, 4000);
  CHECK(two[0] + two[2] + two[4] == 0.0);
  CHECK(two[1] == doctest::Approx(0.5).epsilon(0.1));
  // The two of probability 0.39 together pass 0.7; the third would pass 0.9 only.
  const auto nucleus = shares({.temperature = 1.0, .top_p = 0.7}, 4000);
  CHECK(nucleus[0] + nucleus[2] + nucleus[4] == 0.0);
  const auto one = shares({.temperature = 1.0, .top_p = 0.0}, 100);
  CHECK(one[1] == 1.0);
}

TEST_CASE("sampler: a draw depends on seed and position alone") {
  const SamplerOptions options = {.temperature = 1.0, .seed = 3};
  Sampler forward(options);
  std::vector<int32_t> drawn;
  for (int64_t i = 0; i < 50; ++i) drawn.push_back(forward.sample(kLogits, i));
  Sampler backward(options);
  for (int64_t i = 49; i >= 0; --i) {
    CHECK(backward.sample(kLogits, i) == drawn[static_cast<size_t>(i)]);
  }
}

TEST_CASE("sampler: logits of damaged weights are refused") {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity}) {
    const std::array<float, 2> logits = {bad, bad};
    CHECK_THROWS_AS(Sampler({.temperature = 1.0}).sample(logits, 0), Error);
  }
}

TEST_CASE("sampler: options out of range are refused by name") {
  CHECK_THROWS_WITH_AS(Sampler({.temperature = -1.0}), doctest::Contains("temperature"), Error);
  CHECK_THROWS_WITH_AS(Sampler({.top_p = 1.5}), doctest::Contains("top_p"), Error);
  CHECK_THROWS_AS(Sampler({.temperature = std::nan("")}), Error);
}

}  // namespace cadre
