// AdamW over all parameters of a model (the formula: core/kernels/adamw.h).
//
// Master weights and moments are f32. A parameter that computes in f32 is its own master, so
// nothing is stored twice; a bf16 parameter is rounded from its master in the same pass that
// updates it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/fields.h"
#include "core/ops/context.h"
#include "model/parameters.h"
#include "train/optim/gradients.h"

namespace cadre::train {

struct AdamWOptions {
  double learning_rate = 4e-4;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
  bool decay_norms_and_embeddings = true;
  double max_gradient_norm = 1.0;

  void visit_fields(auto&& field) {
    field("learning_rate", learning_rate, Interval{0.0, 10.0}, "the peak of the schedule");
    field("beta1", beta1, Interval{0.0, 0.999999}, "decay of the first moment");
    field("beta2", beta2, Interval{0.0, 0.9999999}, "decay of the second moment");
    field("eps", eps, Interval{0.0, 1.0}, "added to the root of the second moment");
    field("weight_decay", weight_decay, Interval{0.0, 10.0}, "decoupled, times the learning rate");
    field("decay_norms_and_embeddings", decay_norms_and_embeddings,
          "decay norms and the embedding too, as OLMoE does");
    field("max_gradient_norm", max_gradient_norm, Interval{0.0, 1e9},
          "clip the gradient to this norm; 0 never");
  }
};

// Belongs to one thread.
class AdamW {
 public:
  // Moments are zero; masters of bf16 parameters are uninitialised: fill them and call publish().
  AdamW(Context& ctx, std::shared_ptr<const model::Parameters> parameters, AdamWOptions options);

  // One step with gradient * gradient_scale: a single pass over memory, divided into fixed blocks.
  // Every element depends on nothing but its own, so threads do not change a bit.
  void step(Context& ctx, const Gradients& gradients, double learning_rate, double gradient_scale);

  // Rounds all masters to the parameters that compute in another type.
  void publish(Context& ctx);

  const model::Parameters& parameters() const { return *parameters_; }
  const Tensor& master(int64_t index) const { return masters_[static_cast<size_t>(index)]; }
  const Tensor& m(int64_t index) const { return m_[static_cast<size_t>(index)]; }
  const Tensor& v(int64_t index) const { return v_[static_cast<size_t>(index)]; }

  // Steps taken so far, on which the bias corrections depend; skipped steps are not among them.
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  std::shared_ptr<const model::Parameters> parameters_;
  AdamWOptions options_;
  std::vector<ParameterBlock> blocks_;
  std::vector<Tensor> masters_, m_, v_;
  int64_t steps_ = 0;
};

}  // namespace cadre::train
