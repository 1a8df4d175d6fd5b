#include "data/source_schedule.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/expect_error.h"

namespace cadre::data {

TEST_CASE("schedule: realised shares never stray by a whole sequence") {
  const std::vector<std::vector<double>> mixtures = {{1},
                                                     {1, 1},
                                                     {0.7, 0.3},
                                                     {5, 3, 2},
                                                     {0.5, 0.25, 0.125, 0.125},
                                                     {100, 1, 1, 1},
                                                     {0.9, 0.05, 0.05},
                                                     {1, 0, 2},
                                                     {3, 1, 4, 1, 5, 9, 2, 6}};
  for (const std::vector<double>& weights : mixtures) {
    double sum = 0;
    for (const double weight : weights) sum += weight;
    const SourceSchedule schedule(weights);
    std::vector<int64_t> counts(weights.size());
    for (int64_t p = 0; p < 3000; ++p) {
      const SourceSchedule::Slot slot = schedule.at(p);
      const auto source = static_cast<size_t>(slot.source);
      CHECK(slot.index == counts[source]);
      ++counts[source];
      for (size_t s = 0; s < weights.size(); ++s) {
        const double expected = static_cast<double>(p + 1) * weights[s] / sum;
        if (!(std::fabs(static_cast<double>(counts[s]) - expected) < 1.0)) {
          CAPTURE(weights.size());
          CAPTURE(s);
          CAPTURE(p);
          CHECK(static_cast<double>(counts[s]) == expected);
        }
      }
    }
  }
}

TEST_CASE("schedule: usual weights are met exactly in a short period") {
  CHECK(SourceSchedule({0.7, 0.2, 0.1}).period() == 10);
  CHECK(SourceSchedule({2, 2, 2}).period() == 3);
  CHECK(SourceSchedule({0.333, 0.667}).period() == 1000);
}

TEST_CASE("schedule: weights without a short period are met closely, and none is lost") {
  const SourceSchedule schedule({std::sqrt(2.0), 1.0, 1e-9});
  CHECK(schedule.share(0) ==
        doctest::Approx(std::sqrt(2.0) / (1.0 + std::sqrt(2.0))).epsilon(1e-4));
  CHECK(schedule.share(2) > 0.0);
  CHECK(schedule.share(0) + schedule.share(1) + schedule.share(2) == doctest::Approx(1.0));
}

TEST_CASE("schedule: a position far away is found at once") {
  const SourceSchedule schedule({2, 1});
  const auto slot = schedule.at(3'000'000'000'000 + 1);
  CHECK(slot.index >= 1'000'000'000'000 - 1);
}

TEST_CASE("schedule: weights that make no mixture are refused") {
  for (const std::vector<double>& weights : {std::vector<double>{},
                                             {0.0},
                                             {-1.0, 2.0},
                                             {std::nan("")},
                                             {std::numeric_limits<double>::infinity()}}) {
    error_of(ErrorKind::invalid_input, [&] { SourceSchedule{weights}; });
  }
}

}  // namespace cadre::data
