// The folder of one training run:
//
//   config.toml  metrics.jsonl  events.out.tfevents.*  report.html  plan.json
//   checkpoints/step-00000100/ ...      latest -> checkpoints/step-00000100
//
// Temporary are .latest, in checkpoints/ .tmp-* (unfinished) and .old-* (on their way out), and
// what write_file_atomically makes beside config.toml, plan.json and report.html (NAME.tmp123).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cadre::train {

struct CheckpointEntry {
  int64_t step;
  std::filesystem::path path;
};

// Which checkpoints stay: the newest keep_last and those whose step is a multiple of keep_every (0
// for none).
struct KeepPolicy {
  int64_t keep_last = 2;
  int64_t keep_every = 0;
};

// What a run measured in minutes decided: its length, and after which step. Before that step its
// end was not known, and nothing followed from it.
struct RunPlan {
  int64_t total_steps = 0;
  int64_t step = 0;

  bool operator==(const RunPlan&) const = default;
};

// True if a run began in the folder: it has settings or checkpoints, whole or damaged.
bool holds_run(const std::filesystem::path& folder);

class RunFolder {
 public:
  // Creates the folder, or opens it, and locks it for this process until the object dies. Throws
  // Error(invalid_input) if another process trains in it or it cannot be written.
  explicit RunFolder(std::filesystem::path path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.toml"; }
  std::filesystem::path metrics_file() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path checkpoint_path(int64_t step) const;

  bool has_run() const { return holds_run(path_); }
  // Complete folders, damaged or not, ascending by step.
  std::vector<CheckpointEntry> checkpoints() const;
  // Those that were set aside as damaged.
  std::vector<std::filesystem::path> damaged_checkpoints() const;
  // Bytes of checkpoints() and of the files beside them.
  int64_t bytes() const;
  // Lets `latest` point to the checkpoint; where links are not possible there is none, and on a
  // full disk it stays as it is.
  void set_latest(const CheckpointEntry& checkpoint) const;
  // Deletes the checkpoints that the policy does not keep, but never the one that `latest` points
  // to. What is being deleted first loses its name, so a crash leaves no half a checkpoint.
  void prune(const KeepPolicy& policy) const;
  // Deletes what an interrupted process left under temporary names.
  void remove_leftovers() const;

  // The plan of a run measured in minutes, once there is one. Plans without a step are of before
  // steps were kept, and held from the first one. Throws Error(corrupt_data).
  std::optional<RunPlan> plan() const;
  void write_plan(const RunPlan& plan) const;

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

// The newest good checkpoint of a run, to which `latest` points from now on, with a line for each
// damaged one that was passed over. Those are not deleted but set aside: step-00000100 becomes
// step-00000100.damaged. If there is no good one, nothing changes, and those that were set aside
// before have a line too.
struct FoundCheckpoint {
  std::optional<CheckpointEntry> checkpoint;
  std::vector<std::string> damaged;
};
FoundCheckpoint find_newest_good(const RunFolder& folder);

}  // namespace cadre::train
