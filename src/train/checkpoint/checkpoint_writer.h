// Writes checkpoints while training goes on.
#pragma once

#include <filesystem>
#include <future>

#include "core/ops/context.h"
#include "model/spec.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/run_folder.h"
#include "train/observer.h"

namespace cadre::train {

// A checkpoint is a copy of the state in memory, which a thread of its own writes; if memory is
// short, it is written at once instead, from the state itself. After it is complete, `latest` is
// moved and old ones are pruned. Belongs to one thread; the destructor waits for the writer.
class CheckpointWriter {
 public:
  // Takes the memory of a snapshot now if that leaves `reserved_bytes`, which training is going to
  // need, and lets a thread touch it: on virtual machines the first touch of a gigabyte can take
  // ten seconds. The optimiser must outlive the writer.
  CheckpointWriter(Context& ctx, const RunFolder& folder, const AdamW& optimizer,
                   model::ModelSpec spec, CheckpointOptions options, KeepPolicy policy,
                   int64_t reserved_bytes);

  // Waits for the checkpoint before, then takes this one; returns when training may go on. Throws
  // what went wrong with either.
  CheckpointReport save(Context& ctx, const RunState& state);
  // Throws if the checkpoint under way has failed; never waits.
  void check();
  // Waits for the checkpoint under way; throws if it failed.
  void wait();

 private:
  void write(Context& ctx, const StateTensors& tensors, const RunState& state) const;

  const RunFolder& folder_;
  const AdamW& optimizer_;
  model::ModelSpec spec_;
  CheckpointOptions options_;
  KeepPolicy policy_;
  StateTensors snapshot_;      // empty if memory is short
  std::future<void> touched_;  // the snapshot's memory
  std::future<void> pending_;  // the checkpoint under way
};

}  // namespace cadre::train
