#include "train/checkpoint/run_folder.h"

#include <doctest/doctest.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "tests/scratch_folder.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

std::vector<int64_t> steps_of(const RunFolder& run) {
  std::vector<int64_t> steps;
  for (const CheckpointEntry& entry : run.checkpoints()) steps.push_back(entry.step);
  return steps;
}

// A folder with one file of `bytes`.
void make_checkpoint(const RunFolder& run, int64_t step, size_t bytes = 10) {
  fs::create_directories(run.checkpoint_path(step));
  write_file_atomically(run.checkpoint_path(step) / "model", std::string(bytes, 'x'));
}

TEST_CASE("run folder: what latest points to stays") {
  const ScratchFolder folder;
  const RunFolder run(folder / "run");
  for (const int64_t step : {1, 2, 3, 4, 5}) make_checkpoint(run, step);
  // As if the link could not be moved since, on a full disk.
  run.set_latest({2, run.checkpoint_path(2)});
  run.prune({.keep_last = 2, .keep_every = 0});
  CHECK(steps_of(run) == std::vector<int64_t>{2, 4, 5});
  run.set_latest({5, run.checkpoint_path(5)});
  run.prune({.keep_last = 2, .keep_every = 0});
  CHECK(steps_of(run) == std::vector<int64_t>{4, 5});
}

TEST_CASE("run folder: half-written files of ours go at the next start, other files stay") {
  const ScratchFolder folder;
  const RunFolder run(folder / "run");
  const std::vector<std::string> leftovers = {"config.toml.tmp123", "report.html.tmp9",
                                              "plan.json.tmp4567", ".latest"};
  const std::vector<std::string> others = {"config.toml", "config.toml.tmp", "config.toml.tmp1a",
                                           "notes.tmp12", "metrics.jsonl",   "plan.json.tmp12.old"};
  for (const auto& list : {leftovers, others}) {
    for (const std::string& name : list) write_file_atomically(folder / "run" / name, "x");
  }
  fs::create_directories(folder / "run/checkpoints/.tmp-step-00000009");
  fs::create_directories(folder / "run/checkpoints/.old-step-00000003");
  run.remove_leftovers();
  for (const std::string& name : leftovers) CHECK_FALSE(fs::exists(folder / "run" / name));
  for (const std::string& name : others) CHECK(fs::exists(folder / "run" / name));
  CHECK(fs::is_empty(folder / "run/checkpoints"));
}

TEST_CASE("run folder: its bytes are those of checkpoints and logs, not of what is set aside") {
  const ScratchFolder folder;
  const RunFolder run(folder / "run");
  CHECK(run.bytes() == 0);
  make_checkpoint(run, 1, 1000);
  make_checkpoint(run, 2, 200);
  write_file_atomically(folder / "run/metrics.jsonl", std::string(30, 'x'));
  CHECK(run.bytes() == 1230);
  fs::rename(run.checkpoint_path(1), run.checkpoint_path(1).string() + ".damaged");
  CHECK(run.bytes() == 230);
  CHECK(run.damaged_checkpoints().size() == 1);
}

TEST_CASE("run folder: settings or any checkpoint make it one that holds a run") {
  const ScratchFolder folder;
  CHECK_FALSE(holds_run(folder / "absent"));
  const RunFolder run(folder / "run");
  CHECK_FALSE(holds_run(folder / "run"));
  make_checkpoint(run, 7);
  CHECK(run.has_run());
  fs::rename(run.checkpoint_path(7), run.checkpoint_path(7).string() + ".damaged-2");
  CHECK(run.has_run());
  fs::remove_all(folder / "run/checkpoints/step-00000007.damaged-2");
  CHECK_FALSE(run.has_run());
  write_file_atomically(run.config_file(), "");
  CHECK(run.has_run());
}

TEST_CASE("run folder: a plan comes back, one without a step held from the first") {
  const ScratchFolder folder;
  const RunFolder run(folder / "run");
  CHECK_FALSE(run.plan().has_value());
  run.write_plan({.total_steps = 40, .step = 9});
  CHECK(run.plan() == RunPlan{.total_steps = 40, .step = 9});
  const fs::path file = folder / "run/plan.json";
  write_file_atomically(file, "{\"total_steps\": 40}");
  CHECK(run.plan() == RunPlan{.total_steps = 40, .step = 0});
  for (const char* wrong : {"{\"total_steps\": 0}", "{\"total_steps\": 5, \"step\": 6}",
                            "{\"total_steps\": 5, \"step\": -1}", "{}", "[]"}) {
    CAPTURE(std::string(wrong));
    write_file_atomically(file, wrong);
    CHECK_THROWS_AS(run.plan(), Error);
  }
}

}  // namespace
}  // namespace cadre::train
