// A training run as commands start it: data, machine limits, signals and samples around
// train::train.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/runtime.h"
#include "train/pretrain/run.h"

namespace cadre::cli {

struct TrainJob {
  train::TrainConfig config;
  bool resume = false;
  // What samples go on from; if empty, the beginnings of held-out documents, one of each source.
  std::vector<std::string> prompts;
  int64_t sample_tokens = 64;
};

// The first Ctrl-C or SIGTERM ends the run after the current step, with a checkpoint.
train::RunResult run_train_job(Runtime& runtime, const TrainJob& job,
                               train::TrainObserver& observer);

// How the run ended and how to go on, in two or three lines.
void print_result(const train::RunResult& result);

}  // namespace cadre::cli
