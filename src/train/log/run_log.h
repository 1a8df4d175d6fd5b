// Keeps the logs of a run: metrics.jsonl line by line, from which the TensorBoard events and the
// report are made.
#pragma once

#include <filesystem>
#include <memory>

#include "train/log/append_file.h"
#include "train/log/report.h"
#include "train/observer.h"

namespace cadre::train {

// Belongs to one thread. Throws Error(exhausted) when the disk is full.
class RunLog : public TrainObserver {
 public:
  // Keeps the lines up to and including `step` and cuts off what a lost continuation, or a crash in
  // the middle of a line, left behind them. A new run starts with step -1: nothing is kept.
  RunLog(std::filesystem::path folder, int64_t step);
  ~RunLog() override;

  void on_start(const StartReport& report) override;
  void on_plan(int64_t step, int64_t total_steps) override;
  void on_step(const StepReport& report) override;
  void on_routers(const RouterReport& report) override;
  void on_validation(const ValidationReport& report) override;
  void on_samples(int64_t step, const std::vector<Sample>& samples) override;
  void on_checkpoint(const CheckpointReport& report) override;
  void on_warning(int64_t step, const std::string& text) override;
  void on_finish(int64_t step) override;

  // Makes the lines so far durable: to be called before a checkpoint is taken.
  void sync();
  void write_report() const;

 private:
  void add(const io::JsonValue& record);
  void take(const io::JsonValue& record);

  std::filesystem::path folder_;
  Report report_;
  std::unique_ptr<AppendFile> metrics_, events_;
};

}  // namespace cadre::train
