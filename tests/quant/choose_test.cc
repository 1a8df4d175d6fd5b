#include "quant/choose.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/random.h"

namespace cadre {
namespace {

using quant::FormatChoice;
using Choices = std::vector<std::vector<FormatChoice>>;

Choices random_choices(RandomStream& random, size_t tensors, size_t formats, int64_t scale) {
  Choices choices(tensors);
  for (auto& own : choices) {
    const double size = 1.0 + static_cast<double>(random.uniform());
    for (size_t f = 0; f < formats; ++f) {
      const double bits =
          2.0 + static_cast<double>(f) + 0.3 * static_cast<double>(random.uniform());
      own.push_back({static_cast<int64_t>(size * bits * static_cast<double>(scale)),
                     size * std::exp2(-2.0 * bits)});
    }
  }
  return choices;
}

// Every combination.
double best_error(const Choices& choices, size_t from, int64_t budget) {
  if (budget < 0) return 1e300;
  if (from == choices.size()) return 0.0;
  double best = 1e300;
  for (const FormatChoice& choice : choices[from]) {
    best = std::min(best, choice.error + best_error(choices, from + 1, budget - choice.bytes));
  }
  return best;
}

struct Total {
  int64_t bytes = 0;
  double error = 0.0;
};
Total total_of(const Choices& choices, const std::vector<int64_t>& chosen) {
  Total total;
  for (size_t t = 0; t < choices.size(); ++t) {
    const FormatChoice& choice = choices[t][static_cast<size_t>(chosen[t])];
    total.bytes += choice.bytes;
    total.error += choice.error;
  }
  return total;
}

TEST_CASE("choose_formats: as good as trying everything") {
  RandomStream random(1);
  for (int repeat = 0; repeat < 20; ++repeat) {
    const Choices choices = random_choices(random, 6, 4, 1000);
    for (const int64_t budget : {28000, 33000, 40000, 100000}) {
      CAPTURE(budget);
      const double best = best_error(choices, 0, budget);
      if (best > 1e299) continue;
      const Total total = total_of(choices, quant::choose_formats(choices, budget));
      CHECK(total.bytes <= budget);
      // Sizes are known to one part in 16384 of what may be spent.
      CHECK(total.error <= best * 1.001);
    }
  }
}

TEST_CASE("choose_formats: a large model lands within a hundredth below its size") {
  RandomStream random(2);
  const Choices choices = random_choices(random, 400, 6, int64_t{10} << 20);
  for (const double bits : {3.0, 4.0, 4.7, 6.1}) {
    const auto budget = static_cast<int64_t>(bits * 400 * 1.5 * static_cast<double>(10 << 20));
    const Total total = total_of(choices, quant::choose_formats(choices, budget));
    CHECK(total.bytes <= budget);
    CHECK(static_cast<double>(total.bytes) >= 0.999 * static_cast<double>(budget));
  }
}

TEST_CASE("choose_formats: the least size is possible, and less is refused") {
  const Choices choices = {{{10, 1.0}, {20, 0.5}}, {{30, 2.0}}};
  CHECK(quant::choose_formats(choices, 40) == std::vector<int64_t>{0, 0});
  CHECK(quant::choose_formats(choices, 50) == std::vector<int64_t>{1, 0});
  CHECK_THROWS_WITH_AS(quant::choose_formats(choices, 39),
                       doctest::Contains("least possible is 40"), Error);
}

}  // namespace
}  // namespace cadre
