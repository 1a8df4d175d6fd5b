// What a person sees of a training run: a progress bar, and lines for what happens now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/progress.h"
#include "train/observer.h"

namespace cadre::cli {

// Writes to standard error, the bar only on a terminal. Belongs to the thread that trains.
class TrainConsole : public train::TrainObserver {
 public:
  TrainConsole() : bar_("training", "steps", 0) {}

  void on_start(const train::StartReport& report) override;
  void on_plan(int64_t step, int64_t total_steps) override;
  void on_step(const train::StepReport& report) override;
  void on_validation(const train::ValidationReport& report) override;
  void on_checkpoint(const train::CheckpointReport& report) override;
  void on_warning(int64_t step, const std::string& text) override;
  void on_finish(int64_t step) override;

 private:
  ProgressBar bar_;
};

}  // namespace cadre::cli
