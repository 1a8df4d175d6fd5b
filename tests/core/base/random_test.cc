#include "core/base/random.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <set>
#include <vector>

namespace cadre {

TEST_CASE("random: a value depends on seed, stream and position alone") {
  RandomStream running(7, 3);
  const RandomStream indexed(7, 3);
  for (uint64_t i = 0; i < 100; ++i) CHECK(running.next() == indexed.at(i));
  CHECK(running.position() == 100);
  running.seek(5);
  CHECK(running.next() == indexed.at(5));
}

TEST_CASE("random: seeds and streams differ") {
  std::set<uint64_t> firsts;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    for (uint64_t stream = 0; stream < 100; ++stream)
      firsts.insert(RandomStream(seed, stream).at(0));
  }
  CHECK(firsts.size() == 10000);
}

TEST_CASE("random: uniform values have the moments of the uniform distribution") {
  const RandomStream random(1);
  double sum = 0;
  double squares = 0;
  constexpr int kCount = 100000;
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = random.uniform_f64_at(i);
    const float y = random.uniform_at(i);
    CHECK_FALSE((x < 0.0 || x >= 1.0 || y < 0.0f || y >= 1.0f));
    sum += x;
    squares += x * x;
  }
  CHECK(std::fabs(sum / kCount - 0.5) < 0.005);
  CHECK(std::fabs(squares / kCount - 1.0 / 3.0) < 0.005);
}

TEST_CASE("random: normal values have mean 0, variance 1 and the tails of the normal") {
  const RandomStream random(2);
  double sum = 0;
  double squares = 0;
  int beyond_two = 0;
  constexpr int kCount = 100000;
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = random.normal_at(i);
    sum += x;
    squares += x * x;
    beyond_two += std::fabs(x) > 2.0 ? 1 : 0;
  }
  CHECK(std::fabs(sum / kCount) < 0.01);
  CHECK(std::fabs(squares / kCount - 1.0) < 0.02);
  CHECK(std::fabs(beyond_two / static_cast<double>(kCount) - 0.0455) < 0.003);
}

TEST_CASE("random: below gives every value, evenly, and none beyond") {
  RandomStream random(3);
  for (const uint64_t bound : {1u, 2u, 3u, 7u, 10u}) {
    std::vector<int> counts(bound);
    for (int i = 0; i < 10000; ++i) {
      const uint64_t value = random.below(bound);
      REQUIRE(value < bound);
      ++counts[static_cast<size_t>(value)];
    }
    const double expected = 10000.0 / static_cast<double>(bound);
    for (const int count : counts) CHECK(std::fabs(count - expected) < 5 * std::sqrt(expected) + 1);
  }
  for (int i = 0; i < 1000; ++i) CHECK(random.below(~uint64_t{0}) < ~uint64_t{0});
}

TEST_CASE("random: mix_bits is a bijection as far as can be seen") {
  std::set<uint64_t> values;
  for (uint64_t i = 0; i < 100000; ++i) values.insert(mix_bits(i));
  CHECK(values.size() == 100000);
}

}  // namespace cadre
