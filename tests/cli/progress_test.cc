#include "cli/progress.h"

#include <doctest/doctest.h>

namespace cadre::cli {

namespace {

ProgressLine halfway() {
  return {.label = "training",
          .unit = "steps",
          .done = 1260,
          .total = 3000,
          .rate = 9.8,
          .seconds_left = 177,
          .note = "loss 3.21"};
}

}  // namespace

TEST_CASE("progress: share, amount, rate, time left and note stand on the line") {
  CHECK(halfway().render(100) ==
        "training  42% [============>                 ] 1,260/3,000 steps  9.80/s  2:57 left  loss "
        "3.21");
}

TEST_CASE("progress: no line is wider than the terminal, whatever its width") {
  for (int width = 0; width < 140; ++width) {
    CHECK(static_cast<int>(halfway().render(width).size()) <= width);
  }
}

TEST_CASE("progress: 100 % is shown when all is done and not before") {
  ProgressLine line = halfway();
  line.done = 2999;
  CHECK(line.render(100).find(" 99%") != std::string::npos);
  line.done = 3000;
  CHECK(line.render(100).find("100%") != std::string::npos);
}

TEST_CASE("progress: without a total there is neither share nor bar") {
  ProgressLine line = halfway();
  line.total = 0;
  line.seconds_left = -1;
  CHECK(line.render(100) == "training 1,260 steps  9.80/s  loss 3.21");
}

}  // namespace cadre::cli
