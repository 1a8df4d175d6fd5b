// What a run begins with: its settings alone, a stored model, or its newest good checkpoint.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/spec.h"
#include "train/checkpoint/run_folder.h"
#include "train/pretrain/config.h"
#include "train/pretrain/run.h"

namespace cadre::train {

struct RunStart {
  // Of a run with model.init_from that goes on: as its checkpoint has it, for the model that it
  // came from may be gone or another by now.
  model::ModelSpec spec;
  // With the name of the load-balancing loss. What "auto" stood for when a run began it keeps.
  TrainConfig config;
  std::string generation_config;              // with model.init_from, for checkpoints
  std::optional<CheckpointEntry> checkpoint;  // to go on from; none begins at step 0
  std::vector<std::string> notes;             // what a person should know
};

// Throws what speaks against a run that begins: to be called before it has a folder. Errors are
// those of train().
void check_new_run(const TrainConfig& config, const RunEnvironment& environment);

// With environment.resume looks for the newest good checkpoint (find_newest_good). Throws
// Error(corrupt_data) if there are checkpoints but no good one: nothing is begun over them.
RunStart find_start(const TrainConfig& config, const RunEnvironment& environment,
                    const RunFolder& folder);

// Throw Error(exhausted) if memory or disk do not suffice (plan.h); `present_bytes` of what the
// disk is to hold are there already.
void check_memory_left(const model::ModelSpec& spec, const TrainConfig& config);
void check_disk_left(const model::ModelSpec& spec, const TrainConfig& config, int64_t total_steps,
                     int64_t present_bytes);

}  // namespace cadre::train
