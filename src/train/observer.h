// What a training run tells while it goes on. The trainer knows nothing of terminals and files:
// progress bars and logs are observers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/spec.h"

namespace cadre::train {

struct StartReport {
  std::string folder;  // of the run
  model::ModelSpec spec;
  int64_t first_step = 0;  // more than 0 after a resume
  int64_t total_steps = 0;
  int64_t tokens_per_step = 0;
  int64_t total_parameters = 0;
  int64_t active_parameters = 0;
  double flops_per_token = 0.0;  // matrix products of a training step
  double peak_flops = 0.0;       // of this machine; 0 if not known
  std::vector<std::string> sources;
};

// One step, told after it. `step` counts steps done, so the first report says 1.
struct StepReport {
  int64_t step = 0;
  double loss = 0.0;            // mean cross-entropy of the target tokens, in nats
  double load_balancing = 0.0;  // mean over micro-batches, before the coefficient
  double z = 0.0;
  double importance = 0.0;  // of noisy top-k routers
  double load = 0.0;
  double dropped_share = 0.0;  // of all assignments to experts, those beyond capacity
  double learning_rate = 0.0;
  double gradient_norm = 0.0;  // before clipping
  bool skipped = false;        // an outlier: the weights have not changed
  int64_t skipped_in_all = 0;
  int64_t tokens = 0;              // since the beginning of the run
  double tokens_per_second = 0.0;  // over the last steps
  double peak_share = 0.0;         // of StartReport::peak_flops; 0 if not known
  double seconds_left = 0.0;
};

// The load of one layer's experts since the last report.
struct LayerLoad {
  int64_t layer = 0;
  std::vector<int64_t> counts;  // [E] assignments, before drops
  double load_entropy = 0.0;    // entropy of counts / sum, divided by ln E: 1 is balanced
  int64_t dead = 0;             // experts below a hundredth of the mean load
  double max_over_mean = 0.0;   // of counts
  double router_entropy = 0.0;  // mean entropy of the router's probabilities, divided by ln E
  double z = 0.0;               // mean squared log-sum-exp of the router's logits
  double dropped_share = 0.0;   // of the assignments, those beyond capacity
  double unrouted_share = 0.0;  // of the tokens, those without any expert
};

struct RouterReport {
  int64_t step = 0;
  std::vector<LayerLoad> layers;  // sparse layers only
};

struct SourceLoss {
  std::string name;
  int64_t tokens = 0;                               // targets
  int64_t bytes = 0;                                // of text that these tokens stand for
  double loss = 0.0;                                // nats a token
  double bits_per_byte = 0.0;                       // sum of losses / ln 2 / bytes
  std::vector<std::vector<int64_t>> expert_counts;  // for each sparse layer, [E]
};

struct ValidationReport {
  int64_t step = 0;
  std::vector<SourceLoss> sources;
  SourceLoss total;  // over all sources' tokens and bytes
};

struct Sample {
  std::string prompt;
  std::string text;  // what the model wrote after it
};

struct CheckpointReport {
  int64_t step = 0;
  std::string folder;
  double blocked_seconds = 0.0;  // for which training stood still
  bool in_background = true;
};

// Called by the thread that trains, between steps; so a call delays the next step.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void on_start(const StartReport&) {}
  // A run measured in minutes has decided how many steps it will take.
  virtual void on_plan(int64_t /*step*/, int64_t /*total_steps*/) {}
  virtual void on_step(const StepReport&) {}
  virtual void on_routers(const RouterReport&) {}
  virtual void on_validation(const ValidationReport&) {}
  virtual void on_samples(int64_t /*step*/, const std::vector<Sample>&) {}
  virtual void on_checkpoint(const CheckpointReport&) {}
  // Something that a person should know: dead experts, a damaged checkpoint, a plan that changed.
  virtual void on_warning(int64_t /*step*/, const std::string& /*text*/) {}
  virtual void on_finish(int64_t /*step*/) {}
};

}  // namespace cadre::train
