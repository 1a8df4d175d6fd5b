// Ten optimiser steps against transformers: tests/golden/README.md says how the numbers were made,
// and the tolerances.
#include <doctest/doctest.h>

#include "core/base/cpu_features.h"
#include "model/hf.h"
#include "tests/model/golden_case.h"
#include "tests/train/tiny.h"
#include "train/pretrain/trainer.h"

namespace cadre::train {
namespace {

// The batch without its padding, which counts nowhere.
MicroBatch batch_of(const GoldenCase& golden) {
  const Tensor ids = golden.expected("input_ids");
  const std::vector<int32_t> targets = golden.targets();
  const int64_t length = ids.dim(1);
  MicroBatch batch;
  for (int64_t i = 0; i < ids.elements(); ++i) {
    if (i % length == 0) batch.starts.push_back(static_cast<int64_t>(batch.tokens.size()));
    if (!golden.is_real(i)) continue;
    batch.tokens.push_back(ids.data<int32_t>()[i]);
    batch.targets.push_back(targets[static_cast<size_t>(i)]);
  }
  return batch;
}

TrainConfig reference_config(const model::ModelSpec& spec) {
  TrainConfig config;
  config.optim.adamw.learning_rate = 1e-3;
  config.optim.skip_window = 0;
  config.loss.load_balancing = "transformers";
  config.loss.load_balancing_weight = spec.router_aux_loss_coef;
  config.loss.z_weight = 0.0;
  config.run.precision = "f32";
  return config;
}

TEST_CASE("trainer: losses and gradient norms of ten AdamW steps are those of transformers") {
  for (const kernels::KernelTable* table : kernels::supported_tables(detect_cpu_features())) {
    for (const std::string& name : olmoe_cases()) {
      CAPTURE(table->name);
      CAPTURE(name);
      const GoldenCase golden(name);
      ThreadPool pool(2);
      Context ctx(pool, *table, Allocator::create());
      const model::ModelSpec spec = model::read_spec(golden.folder());
      const TrainConfig config = reference_config(spec);
      Trainer trainer(ctx, spec, config);
      trainer.load(ctx, golden.folder());
      const std::vector<MicroBatch> batch = {batch_of(golden)};
      const auto losses = golden.expected("step_losses").span<float>();
      const auto norms = golden.expected("step_gradient_norms").span<float>();
      for (size_t step = 0; step < losses.size(); ++step) {
        CAPTURE(step);
        const StepResult result = trainer.step(ctx, batch, static_cast<int64_t>(step), 1e-3);
        const double total = result.loss + spec.router_aux_loss_coef * result.load_balancing;
        CHECK(total == doctest::Approx(losses[step]).epsilon(1e-4));
        CHECK(result.gradient_norm == doctest::Approx(norms[step]).epsilon(1e-3));
      }
    }
  }
}

}  // namespace
}  // namespace cadre::train
