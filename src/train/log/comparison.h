// Several training runs on one page: curves over each other, a table of how they ended, and in
// which settings they differ.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/io/json_value.h"
#include "train/log/curve.h"

namespace cadre::train {

// How a run ended: its last validation and its last look at the routers. What a run has not
// measured, or measured as infinite or not a number, is not a number here and null in JSON.
struct RunSummary {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  std::string name;      // of the folder
  std::string settings;  // those in which the runs differ, "router.kind = gshard, model.top_k = 2"
  int64_t steps = 0;
  double tokens = 0.0;
  double parameters = 0.0;
  double active_parameters = 0.0;
  double training_loss = kNone;  // mean of the last tenth of the steps
  double held_out_loss = kNone;
  double bits_per_byte = kNone;
  double load_entropy = kNone;   // mean of layers; 1 is even
  double dropped_share = kNone;  // mean of layers
  double unrouted_share = kNone;
  double dead = kNone;  // experts of all layers
};

// Runs that differ in nothing but the seed, and the held-out loss of those of them that measured
// one; not a number if none did.
struct RunGroup {
  std::string settings;
  std::vector<size_t> runs;
  int64_t measured = 0;  // how many of the runs count below
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
  double deviation = 0.0;  // of the sample, n - 1; 0 for one run
};

// Reads metrics.jsonl and config.toml of run folders. Belongs to one thread.
class Comparison {
 public:
  // Throws Error(not_found) for a folder without metrics.jsonl.
  explicit Comparison(const std::vector<std::filesystem::path>& folders);

  const std::vector<RunSummary>& runs() const { return runs_; }
  const std::vector<RunGroup>& groups() const { return groups_; }
  // A page that works offline, and the tables alone.
  std::string html() const;
  io::JsonValue json() const;

 private:
  void add_record(size_t run, const io::JsonValue& record);
  void read_settings(const std::vector<std::filesystem::path>& folders);
  void group_runs();

  std::vector<RunSummary> runs_;
  std::vector<std::map<std::string, Curve>> curves_;  // of each run
  std::vector<std::string> keys_;                     // of each run: all settings but the seed
  std::vector<RunGroup> groups_;
};

}  // namespace cadre::train
