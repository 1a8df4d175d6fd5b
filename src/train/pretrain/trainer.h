// A model with its optimiser: takes steps. Knows nothing of files, schedules or progress.
//
// The gradient of a step is that of
//
//   sum over micro-batches of  (sum of token losses) / (targets of the whole step)
//                              + (auxiliary losses of the micro-batch) / (number of micro-batches)
//
// so cutting a step into micro-batches changes the cross-entropy's gradient by rounding only. The
// auxiliary losses are means over a micro-batch, as in OLMoE's training. With input, step number
// and configuration the same, so are all bits, whatever the number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "core/ops/context.h"
#include "model/decoder.h"
#include "model/router_loss.h"
#include "train/optim/adamw.h"
#include "train/optim/gradients.h"
#include "train/optim/outliers.h"
#include "train/optim/selection_bias.h"
#include "train/pretrain/batch.h"
#include "train/pretrain/config.h"
#include "train/pretrain/router_monitor.h"

namespace cadre::train {

struct StepResult {
  double loss = 0.0;            // mean cross-entropy over the targets of the step
  double load_balancing = 0.0;  // means over micro-batches, before the coefficients
  double z = 0.0;
  double importance = 0.0;
  double load = 0.0;
  double dropped_share = 0.0;  // of all assignments, those beyond capacity
  double gradient_norm = 0.0;  // before clipping
  bool skipped = false;        // an outlier: weights and moments have not changed
  int64_t num_targets = 0;
};

// What a model makes of text without learning from it.
struct Evaluation {
  double loss_sum = 0.0;  // nats over all targets
  int64_t num_targets = 0;
};

// Belongs to one thread.
class Trainer {
 public:
  // Weights are uninitialised: call initialise() or load() or fill the masters and publish.
  Trainer(Context& ctx, model::ModelSpec spec, const TrainConfig& config);

  // A function of the seed alone.
  void initialise(Context& ctx);
  // From a stored model. What it lacks because the router is another one (its noise, its bias, its
  // weight if that has another shape) is initialised. Throws the errors of model/stored_model.h.
  void load(Context& ctx, const std::filesystem::path& folder);

  // Step number `step` (from 0) on at least one micro-batch. Throws Error(invalid_input) for tokens
  // outside the vocabulary and for a step without targets.
  StepResult step(Context& ctx, std::span<const MicroBatch> batches, int64_t step,
                  double learning_rate);

  // `monitor` may be null; otherwise it gets the routing.
  Evaluation evaluate(Context& ctx, const MicroBatch& batch, RouterMonitor* monitor) const;

  const model::ModelSpec& spec() const { return decoder_->spec(); }
  const std::shared_ptr<const model::Decoder>& decoder() const { return decoder_; }
  const std::shared_ptr<const model::Parameters>& parameters() const { return parameters_; }
  AdamW& optimizer() { return optimizer_; }
  const AdamW& optimizer() const { return optimizer_; }
  const Gradients& gradients() const { return gradients_; }
  OutlierDetector& outliers() { return outliers_; }
  const OutlierDetector& outliers() const { return outliers_; }
  RouterMonitor& routers() { return routers_; }
  const RouterMonitor& routers() const { return routers_; }

 private:
  void initialise_parameter(Context& ctx, int64_t index);
  nn::ForwardInput forward_input(const MicroBatch& batch) const;

  TrainConfig config_;
  model::RouterLossOptions router_losses_;
  std::shared_ptr<const model::Parameters> parameters_;
  std::shared_ptr<const model::Decoder> decoder_;
  AdamW optimizer_;
  Gradients gradients_;
  OutlierDetector outliers_;
  RouterMonitor routers_;
  SelectionBias selection_bias_;
};

}  // namespace cadre::train
