// A model small enough to train in milliseconds, text made by a rule, and folders that clean up.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/thread_pool.h"
#include "core/kernels/table.h"
#include "core/ops/context.h"
#include "train/pretrain/batch.h"
#include "train/pretrain/config.h"
#include "train/pretrain/run.h"
#include "train/pretrain/trainer.h"

namespace cadre::train {

// A context with its threads, on the fastest kernels of this processor.
struct Machine {
  explicit Machine(int threads = 2);

  ThreadPool pool;
  std::shared_ptr<Allocator> allocator = Allocator::create();
  Context ctx;
};

constexpr int64_t kTinyVocab = 64;

// Vocabulary 64, hidden 32, 2 layers, 4 experts top-2, rows of 32 tokens, 4 rows a micro-batch.
TrainConfig tiny_config();

// A byte a target. Rows in which each token follows from the one before by a rule of its source,
// with some noise: learnable to about 0.7 nats. A pure function of the number of the batch.
class RuleText : public BatchSource {
 public:
  explicit RuleText(const TrainConfig& config) : config_(config) {}

  MicroBatch training_batch(int64_t index) const override;
  std::vector<std::string> sources() const override { return {"plus", "times"}; }
  int64_t num_validation_batches(int64_t) const override { return 2; }
  MicroBatch validation_batch(int64_t source, int64_t index) const override;
  std::string fingerprint() const override { return "rule"; }

 private:
  MicroBatch batch(uint64_t stream, int64_t index, int64_t source) const;

  TrainConfig config_;
};

// A folder under the system's temporary one that disappears with the object.
struct TemporaryFolder {
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path path;
};

// Trains in the folder config.run.folder.
RunResult run_tiny(const TrainConfig& config, bool resume = false, int threads = 2);

// The checksums of all weights and moments of a checkpoint: equal if and only if the bits are.
std::string fingerprint(const std::filesystem::path& checkpoint);

// The lines of metrics.jsonl of these events, without times and rates.
std::vector<std::string> metrics(const std::filesystem::path& run,
                                 const std::vector<std::string>& events);

// The f32 master weights of every parameter.
std::vector<std::vector<float>> masters(const Trainer& trainer);

// Steps over the first `period` batches of the text, again and again; the loss of the last.
double train_steps(Machine& machine, Trainer& trainer, const RuleText& text, int64_t steps,
                   int64_t period);

}  // namespace cadre::train
