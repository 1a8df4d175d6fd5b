#include "core/base/fields.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/expect_error.h"

namespace cadre {

TEST_CASE("fields: the nearest name is the one with the fewest edits") {
  const std::vector<std::string> known = {"learning_rate", "steps", "seed", "warmup"};
  CHECK(nearest_name("learnin_rate", known) == "learning_rate");
  CHECK(nearest_name("stpes", known) == "steps");
  CHECK(nearest_name("seed", known) == "seed");
  CHECK(nearest_name("", known) == "seed");  // four insertions, the fewest
  CHECK(nearest_name("x", {}) == "");
}

TEST_CASE("fields: intervals are closed and NaN lies in none") {
  check_interval("file", "x", 0.0, {0.0, 1.0});
  check_interval("file", "x", 1.0, {0.0, 1.0});
  for (const double value : {-0.1, 1.1, std::nan(""), HUGE_VAL}) {
    const std::string message = error_of(ErrorKind::invalid_input, [&] {
      check_interval("run.toml:3", "x", value, {0.0, 1.0});
    });
    CHECK(contains(message, "run.toml:3: x = "));
  }
}

TEST_CASE("fields: a choice outside the list names the list") {
  const Choices choices{{"cosine", "linear"}};
  check_choice("file", "schedule", "linear", choices);
  CHECK(contains(error_of(ErrorKind::invalid_input,
                          [&] { check_choice("file", "schedule", "cosin", choices); }),
                 "expected one of cosine, linear"));
}

}  // namespace cadre
