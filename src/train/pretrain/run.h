// A whole training run: from a configuration and data to a run folder with checkpoints and logs.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/ops/context.h"
#include "model/decoder.h"
#include "train/observer.h"
#include "train/pretrain/batch.h"
#include "train/pretrain/config.h"

namespace cadre::train {

// What a run needs besides its configuration. The data must outlive the run.
struct RunEnvironment {
  const BatchSource* data = nullptr;
  int64_t vocab_size = 0;
  int64_t eos_token_id = -1;
  int64_t pad_token_id = -1;
  std::filesystem::path tokenizer_folder;  // copied into checkpoints; empty for none
  double peak_flops = 0.0;                 // of this machine in the run's precision; 0 if not known
  bool resume = false;
  // Becomes the number of a signal when the run shall stop after the current step; may be null.
  const std::atomic<int>* stop_signal = nullptr;
  // Writes text with the model as it is; may be empty.
  std::function<std::vector<Sample>(Context&, const model::Decoder&)> sample;
};

struct RunResult {
  int64_t step = 0;         // steps done
  int64_t total_steps = 0;  // more than step if a signal stopped the run
  int64_t tokens = 0;
  double loss = 0.0;     // of the last step
  double seconds = 0.0;  // over all resumptions
  int64_t skipped_steps = 0;
  std::optional<ValidationReport> validation;  // the last one
  std::filesystem::path folder;
  std::filesystem::path checkpoint;  // the last one
  int stop_signal = 0;               // 0 if the run ended by itself
};

// Trains until the steps are done or a signal stops it; then the state is in a checkpoint. With
// `resume` it goes on from the newest good checkpoint of the folder, with the same bits as if it
// had never stopped, as long as its settings stay: those that decide weights must (resume.h), but
// for the length of the run, on which the schedule of the learning rate depends. If the steps done
// had other rates than a run of the new length, a warning says so.
//
// Throws Error(invalid_input) for a configuration that makes no sense (a new run then leaves no
// folder), a folder that holds a run already (without resume), and training that diverges;
// Error(exhausted) if memory or disk do not suffice, before the start where that can be told, when
// a run measured in minutes decides on its length, and when the disk fills up: checkpoints that
// were complete stay. Error(corrupt_data) if there are checkpoints and all of them are damaged,
// however often one tries: what is left is not touched.
RunResult train(Context& ctx, const TrainConfig& config, const RunEnvironment& environment,
                TrainObserver& observer);

}  // namespace cadre::train
