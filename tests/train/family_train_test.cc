// Training of families whose blocks differ from OLMoE's: Arctic's hybrid ones, Yuan's filters and
// attention routers.
#include <doctest/doctest.h>

#include <cmath>

#include "model/hf.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"
#include "train/pretrain/plan.h"
#include "train/pretrain/trainer.h"

namespace cadre::train {
namespace {

// A spec over the vocabulary of the tiny text, with weights to be initialised.
model::ModelSpec spec_of(const std::string& name) {
  model::ModelSpec spec = model::read_spec("tests/golden/" + name);
  REQUIRE(spec.vocab_size == kTinyVocab);
  spec.initializer_range = 0.1;
  return spec;
}

const std::vector<std::string> kModels = {"arctic/parallel", "arctic/sequential", "yuan/m32",
                                          "yuan/dense"};

std::unique_ptr<Trainer> make_trainer(Machine& machine, const model::ModelSpec& spec,
                                      const TrainConfig& config) {
  auto trainer = std::make_unique<Trainer>(machine.ctx, spec, config);
  trainer->initialise(machine.ctx);
  return trainer;
}

}  // namespace

TEST_CASE("families: a tiny model of each learns one batch by heart, in either precision") {
  for (const std::string& name : kModels) {
    for (const char* precision : {"f32", "bf16"}) {
      CAPTURE(name);
      CAPTURE(precision);
      TrainConfig config = tiny_config();
      config.run.precision = precision;
      Machine machine;
      const auto trainer = make_trainer(machine, spec_of(name), config);
      const RuleText text(config);
      const double first = train_steps(machine, *trainer, text, 1, 1);
      CHECK(first == doctest::Approx(std::log(64.0)).epsilon(0.1));
      CHECK(train_steps(machine, *trainer, text, 250, 1) < 0.5);
    }
  }
}

TEST_CASE("families: the same weights bit for bit with any number of threads, recomputed or not") {
  for (const std::string& name : kModels) {
    CAPTURE(name);
    TrainConfig config = tiny_config();
    config.run.dropout = 0.1;
    const RuleText text(config);
    std::vector<std::vector<float>> expected;
    for (const int threads : {1, 2, 3}) {
      config.run.recompute = threads == 3;
      Machine machine(threads);
      const auto trainer = make_trainer(machine, spec_of(name), config);
      train_steps(machine, *trainer, text, 12, 12);
      if (threads == 1) expected = masters(*trainer);
      CHECK(masters(*trainer) == expected);
    }
  }
}

TEST_CASE("families: what training takes of memory is about what was planned") {
  for (const std::string& name : kModels) {
    for (const char* precision : {"f32", "bf16"}) {
      TrainConfig config = tiny_config();
      config.data.sequence_length = 64;
      config.data.micro_batch = 256;
      config.run.precision = precision;
      Machine machine;
      const auto trainer = make_trainer(machine, spec_of(name), config);
      const MemoryPlan plan = plan_memory(trainer->spec(), config);
      const int64_t fixed = machine.allocator->used_bytes();
      const std::vector<MicroBatch> batch = {RuleText(config).training_batch(0)};
      trainer->step(machine.ctx, batch, 0, 1e-2);
      const auto measured = static_cast<double>(machine.allocator->held_bytes() - fixed);
      CAPTURE(name);
      CAPTURE(precision);
      CAPTURE(measured);
      CAPTURE(plan.activations);
      CHECK(measured < 1.25 * static_cast<double>(plan.activations) + (16 << 20));
      CHECK(measured > 0.6 * static_cast<double>(plan.activations));
    }
  }
}

TEST_CASE("families: filters that read over the start of a document give another model") {
  TrainConfig config = tiny_config();
  std::vector<std::vector<float>> expected;
  for (const bool masking : {true, false}) {
    config.data.filter_masking = masking;
    Machine machine;
    const auto trainer = make_trainer(machine, spec_of("yuan/m32"), config);
    MicroBatch batch = RuleText(config).training_batch(0);
    // Two documents in each row.
    std::vector<int64_t> starts;
    for (const int64_t start : batch.starts) {
      starts.push_back(start);
      starts.push_back(start + 20);
    }
    batch.starts = starts;
    trainer->step(machine.ctx, std::vector<MicroBatch>{batch}, 0, 1e-2);
    if (masking) {
      expected = masters(*trainer);
    } else {
      CHECK(masters(*trainer) != expected);
    }
  }
}

TEST_CASE("families: a checkpoint loads with the weights that were trained") {
  for (const std::string& name : {std::string("arctic/parallel"), std::string("yuan/m32")}) {
    CAPTURE(name);
    ScratchFolder folder;
    TrainConfig config = tiny_config();
    config.model.init_from = "tests/golden/" + name;
    config.run.folder = folder / "run";
    const RunResult result = run_tiny(config);
    Machine machine;
    const model::LoadedModel loaded =
        model::load_model(machine.ctx, result.checkpoint, DType::bf16);
    CHECK(loaded.decoder->spec().blocks == model::read_spec("tests/golden/" + name).blocks);
    const RuleText text(config);
    double sum = 0.0;
    int64_t count = 0;
    for (int64_t source = 0; source < 2; ++source) {
      for (int64_t b = 0; b < text.num_validation_batches(source); ++b) {
        const MicroBatch batch = text.validation_batch(source, b);
        const Tensor hidden = loaded.decoder->hidden(
            machine.ctx, model::packed_input(batch.tokens, batch.starts), nullptr);
        const std::vector<float> weights(batch.targets.size(), 1.0f);
        for (const float loss :
             loaded.decoder->loss(machine.ctx, hidden, batch.targets, weights).token_losses) {
          sum += loss;
        }
        count += batch.num_targets;
      }
    }
    CHECK(sum / static_cast<double>(count) == doctest::Approx(result.validation->total.loss));
  }
}

}  // namespace cadre::train
