#include "train/log/comparison.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"

namespace cadre::train {
namespace {

TEST_CASE("comparison: runs with their differences, and seeds of one setting together") {
  const ScratchFolder folder;
  std::vector<std::filesystem::path> runs;
  std::vector<double> losses;
  const auto train_one = [&](const char* name, const char* kind, int64_t seed) {
    TrainConfig config = tiny_config();
    config.run.steps = 10;
    config.run.folder = folder / name;
    config.run.seed = seed;
    config.router.kind = kind;
    losses.push_back(run_tiny(config).validation->total.loss);
    runs.push_back(folder / name);
  };
  train_one("a1", "top_k", 1);
  train_one("a2", "top_k", 2);
  train_one("b1", "switch", 1);
  runs[0] /= "";  // as a shell completes it
  const Comparison comparison(runs);
  REQUIRE(comparison.runs().size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(comparison.runs()[i].held_out_loss == doctest::Approx(losses[i]));
    CHECK(comparison.runs()[i].steps == 10);
  }
  CHECK(comparison.runs()[0].name == "a1");
  CHECK(comparison.runs()[0].settings == "router.kind = \"top_k\", run.seed = 1");
  CHECK(comparison.runs()[2].dropped_share > 0.0);
  REQUIRE(comparison.groups().size() == 2);
  const RunGroup& both = comparison.groups()[0];
  CHECK(both.runs == std::vector<size_t>{0, 1});
  CHECK(both.mean == doctest::Approx((losses[0] + losses[1]) / 2));
  CHECK(both.low == doctest::Approx(std::min(losses[0], losses[1])));
  CHECK(both.deviation == doctest::Approx(std::abs(losses[0] - losses[1]) / std::sqrt(2.0)));
  CHECK(comparison.groups()[1].deviation == 0.0);
  const std::string html = comparison.html();
  CHECK(html.find("/*CHARTS*/") == std::string::npos);
  CHECK(html.find("/*STYLE*/") == std::string::npos);
  CHECK(html.find("https://") == std::string::npos);
  CHECK(html.find("\"held_out_loss\"") != std::string::npos);
}

TEST_CASE("comparison: a folder that is no run is refused by name") {
  const ScratchFolder folder;
  CHECK_THROWS_WITH_AS(Comparison({folder / "nothing"}), doctest::Contains("nothing"), Error);
}

}  // namespace
}  // namespace cadre::train
