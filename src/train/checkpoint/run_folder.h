// The folder of one training run:
//
//   config.toml  metrics.jsonl  events.out.tfevents.*  report.html  plan.json
//   checkpoints/step-00000100/ ...      latest -> checkpoints/step-00000100
//
// Names that begin with a dot are temporary: unfinished checkpoints, and old ones on their way out.
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

  // True if a run began here.
  bool has_run() const;
  // Complete folders, damaged or not, ascending by step.
  std::vector<CheckpointEntry> checkpoints() const;
  // Lets `latest` point to the checkpoint; where links are not possible there is none.
  void set_latest(const CheckpointEntry& checkpoint) const;
  // Deletes the checkpoints that the policy does not keep. What is being deleted first loses its
  // name, so a crash leaves no half a checkpoint.
  void prune(const KeepPolicy& policy) const;
  // Deletes what an interrupted process left under temporary names.
  void remove_leftovers() const;

  // The number of steps that a run measured in minutes decided on, once it has.
  std::optional<int64_t> planned_steps() const;
  void plan_steps(int64_t total_steps) const;

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

// The newest good checkpoint of a run, with a line for each damaged one that was passed over. Those
// are not deleted but set aside: step-00000100 becomes step-00000100.damaged.
struct FoundCheckpoint {
  std::optional<CheckpointEntry> checkpoint;
  std::vector<std::string> damaged;
};
FoundCheckpoint find_newest_good(const RunFolder& folder);

}  // namespace cadre::train
