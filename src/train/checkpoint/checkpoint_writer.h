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
  CheckpointWriter(const RunFolder& folder, model::ModelSpec spec, CheckpointOptions options,
                   KeepPolicy policy);

  // Waits for the checkpoint before, then takes this one; returns when training may go on. Throws
  // what went wrong with either.
  CheckpointReport save(Context& ctx, const AdamW& optimizer, const RunState& state);
  // Throws if the checkpoint under way has failed; never waits.
  void check();
  // Waits for the checkpoint under way; throws if it failed.
  void wait();

 private:
  void write(Context& ctx, const StateTensors& tensors, const RunState& state) const;

  const RunFolder& folder_;
  model::ModelSpec spec_;
  CheckpointOptions options_;
  KeepPolicy policy_;
  std::future<void> pending_;
  bool has_memory_ = false;  // for a snapshot
};

}  // namespace cadre::train
