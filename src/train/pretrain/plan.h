// What a run will need, from its configuration alone, so that one that cannot fit says so before it
// starts.
#pragma once

#include <cstdint>
#include <string>

#include "model/spec.h"
#include "train/pretrain/config.h"

namespace cadre::train {

// Bytes in memory. Activations are an estimate, for what the allocator holds depends on which
// tensors meet in which blocks; measured runs lie within a quarter of it.
struct MemoryPlan {
  int64_t weights = 0;      // in the compute type
  int64_t gradients = 0;    // f32
  int64_t optimizer = 0;    // moments, and masters of what does not compute in f32
  int64_t activations = 0;  // of one micro-batch at its largest
  int64_t snapshot = 0;     // of a checkpoint being written; done without if memory is short

  int64_t required() const { return weights + gradients + optimizer + activations; }
};
MemoryPlan plan_memory(const model::ModelSpec& spec, const TrainConfig& config);

// Bytes on disk; INT64_MAX where they would be more.
struct DiskPlan {
  int64_t checkpoint = 0;       // one
  int64_t num_checkpoints = 0;  // at most at the same time, with the one being written
  int64_t logs = 0;

  int64_t required() const;
};
// total_steps is 0 while it is not known, as at the start of a run measured in minutes; then what
// grows with it (checkpoints that stay for ever, logs) is left out, and the plan is to be made
// again.
DiskPlan plan_disk(const model::ModelSpec& spec, const TrainConfig& config, int64_t total_steps);

// Throws Error(exhausted), with the numbers, if a plan exceeds what is free. Of the disk, a run
// that goes on has `present_bytes` already; yet the next checkpoint needs room before an old one
// goes.
void check_memory(const MemoryPlan& plan, int64_t available_bytes);
void check_disk(const DiskPlan& plan, int64_t present_bytes, const std::string& folder,
                int64_t free_bytes);

}  // namespace cadre::train
