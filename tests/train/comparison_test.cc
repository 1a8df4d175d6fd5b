#include "train/log/comparison.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/file.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"
#include "train/pretrain/resume.h"

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

TEST_CASE("comparison: a loss that is no number, or was not measured, is not the best one") {
  const ScratchFolder folder;
  std::vector<std::filesystem::path> runs;
  const auto add_run = [&](const char* name, int64_t seed, const std::string& validation) {
    const std::filesystem::path run = folder / name;
    std::filesystem::create_directories(run);
    TrainConfig config = tiny_config();
    config.run.seed = seed;
    save_config(run / "config.toml", config);
    write_file_atomically(run / "metrics.jsonl", R"({"event":"train","step":3,"loss":null})"
                                                 "\n" +
                                                     validation);
    runs.push_back(run);
  };
  const auto loss = [](const char* value) {
    return fmt::format(R"({{"event":"validation","step":3,"loss":{0},"bits_per_byte":{0}}})"
                       "\n",
                       value);
  };
  add_run("diverged", 1, loss("null"));
  add_run("good", 2, loss("2.5"));
  add_run("open", 3, "");
  const Comparison comparison(runs);
  REQUIRE(comparison.runs().size() == 3);
  CHECK(std::isnan(comparison.runs()[0].held_out_loss));
  CHECK(comparison.runs()[1].held_out_loss == 2.5);
  CHECK(std::isnan(comparison.runs()[2].bits_per_byte));
  CHECK(std::isnan(comparison.runs()[1].training_loss));
  CHECK(std::isnan(comparison.runs()[1].load_entropy));
  REQUIRE(comparison.groups().size() == 1);
  const RunGroup& group = comparison.groups()[0];
  CHECK(group.runs.size() == 3);
  CHECK(group.measured == 1);
  CHECK(group.mean == 2.5);
  CHECK(group.low == 2.5);
  CHECK(comparison.json().dump().find("\"held_out_loss\": null") != std::string::npos);
  runs.erase(runs.begin() + 1);
  const RunGroup none = Comparison(runs).groups()[0];
  CHECK(none.measured == 0);
  CHECK(std::isnan(none.mean));
  CHECK(std::isnan(none.low));
}

TEST_CASE("comparison: a folder that is no run is refused by name") {
  const ScratchFolder folder;
  CHECK_THROWS_WITH_AS(Comparison({folder / "nothing"}), doctest::Contains("nothing"), Error);
}

}  // namespace
}  // namespace cadre::train
