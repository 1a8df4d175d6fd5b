#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "core/base/error.h"
#include "core/base/file.h"
#include "tests/train/tiny.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/run_folder.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

// Large enough that writing a checkpoint takes a while beside the steps.
TrainConfig busy_config(const fs::path& folder) {
  TrainConfig config = tiny_config();
  config.model.hidden_size = 64;
  config.model.num_experts = 16;
  config.model.expert_size = 128;
  config.run.steps = 240;
  config.run.checkpoint_every = 3;
  config.run.validate_every = 40;
  config.run.folder = folder.string();
  return config;
}

// `latest`, once it is there, always leads to a model; only between the first checkpoint and its
// link, and where there is none, it may be missing.
void check_latest(const fs::path& folder, size_t num_checkpoints) {
  const bool linked = fs::is_symlink(folder / "latest");
  if (num_checkpoints > 1) CHECK(linked);
  if (linked) CHECK(fs::exists(folder / "latest/config.json"));
}

// Trains in a child process, which ends with 0 when the run is complete.
pid_t start_child(const TrainConfig& config) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  int status = 1;
  try {
    run_tiny(config, true, 2);
    status = 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
  }
  ::_exit(status);
}

TEST_CASE("run: killed twenty times at random moments it equals the uninterrupted one") {
  TemporaryFolder folder;
  TrainConfig config = busy_config(folder.path / "whole");
  const auto begin = std::chrono::steady_clock::now();
  run_tiny(config);
  const double whole =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  config.run.folder = (folder.path / "killed").string();
  // Another one each time; what it decides is when to kill, as far as the machine's load lets it.
  const auto seed = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch() /
                                          std::chrono::milliseconds(1));
  MESSAGE("moments drawn with seed ", seed);
  RandomStream random(seed);
  const std::vector<std::string> learning = {"train", "validation", "routers"};
  int kills = 0;
  bool complete = false;
  for (int attempt = 0; attempt < 400 && !complete; ++attempt) {
    const pid_t child = start_child(config);
    REQUIRE(child > 0);
    const bool kill = kills < 20;
    if (kill) {
      // Long enough to start and to take a few steps, short enough for twenty kills in a run.
      const double seconds = 0.03 + whole * 0.08 * random.uniform();
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
      ::kill(child, SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
      ++kills;
      // Whatever was interrupted: each checkpoint under its own name is whole.
      if (fs::exists(fs::path(config.run.folder) / "checkpoints")) {
        const RunFolder run(config.run.folder);
        for (const CheckpointEntry& entry : run.checkpoints()) {
          CHECK_MESSAGE(!find_damage(entry.path), find_damage(entry.path).value_or(""));
        }
        check_latest(run.path(), run.checkpoints().size());
      }
      continue;
    }
    REQUIRE(WEXITSTATUS(status) == 0);
    complete = kills == 20;
    CHECK(fingerprint(folder.path / "killed/latest") == fingerprint(folder.path / "whole/latest"));
    CHECK(metrics(folder.path / "killed", learning) == metrics(folder.path / "whole", learning));
    // On a machine that was busier before than it is now a run may end before its twentieth kill;
    // another one takes the rest.
    if (!complete) fs::remove_all(folder.path / "killed");
  }
  CHECK(kills == 20);
  CHECK(complete);
}

TEST_CASE("run: killed once it has decided on its length, it equals one that goes through") {
  TemporaryFolder folder;
  TrainConfig config = busy_config(folder.path / "killed");
  config.run.minutes = 0.12;
  config.run.checkpoint_every = 50;  // the newest one is some steps older than the decision
  config.run.validate_every = -1;
  const pid_t child = start_child(config);
  REQUIRE(child > 0);
  const fs::path plan_file = folder.path / "killed/plan.json";
  for (int wait = 0; wait < 60000 && !fs::exists(plan_file); ++wait) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  const std::optional<RunPlan> plan = RunFolder(folder.path / "killed").plan();
  REQUIRE(plan.has_value());
  CHECK(plan->step > 0);
  CHECK(run_tiny(config, true).step == plan->total_steps);
  config.run.folder = (folder.path / "whole").string();
  RunFolder(config.run.folder).write_plan(*plan);
  CHECK(run_tiny(config, true).step == plan->total_steps);
  CHECK(fingerprint(folder.path / "killed/latest") == fingerprint(folder.path / "whole/latest"));
}

TEST_CASE("run: when the disk is full training stops, and what was written stays whole") {
  TemporaryFolder folder;
  TrainConfig config = busy_config(folder.path / "run");
  config.run.steps = 9;
  run_tiny(config);
  const std::string before = fingerprint(folder.path / "run/latest");
  config.run.steps = 30;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // No file may grow beyond what metrics need: the next checkpoint cannot be written.
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{300000, 300000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      run_tiny(config, true);
      ::_exit(0);
    } catch (const Error& error) {
      ::_exit(exit_code(error.kind()));
    }
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == exit_code(ErrorKind::exhausted));
  {
    const RunFolder run(config.run.folder);
    REQUIRE(run.checkpoints().size() == 2);
    for (const CheckpointEntry& entry : run.checkpoints()) CHECK(!find_damage(entry.path));
    CHECK(run.checkpoints().back().step == 9);
  }
  CHECK(fingerprint(folder.path / "run/latest") == before);
  CHECK(run_tiny(config, true).step == 30);
}

TEST_CASE("run: a folder that cannot be written is refused before training") {
  if (::geteuid() == 0) {
    MESSAGE("skipped: root may write anywhere");
    return;
  }
  TemporaryFolder folder;
  fs::permissions(folder.path, fs::perms::owner_read | fs::perms::owner_exec);
  CHECK_THROWS_AS(run_tiny(busy_config(folder.path / "run")), Error);
  fs::permissions(folder.path, fs::perms::owner_all);
}

}  // namespace
}  // namespace cadre::train
