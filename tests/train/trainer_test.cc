#include "train/pretrain/trainer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/base/error.h"
#include "tests/train/tiny.h"
#include "train/pretrain/plan.h"
#include "train/pretrain/validation.h"

namespace cadre::train {
namespace {

std::unique_ptr<Trainer> make_trainer(Machine& machine, const TrainConfig& config) {
  auto trainer =
      std::make_unique<Trainer>(machine.ctx, build_spec(config, kTinyVocab, -1, -1), config);
  trainer->initialise(machine.ctx);
  return trainer;
}

TEST_CASE("trainer: a tiny model learns one batch by heart, in either precision") {
  for (const char* precision : {"f32", "bf16"}) {
    TrainConfig config = tiny_config();
    config.run.precision = precision;
    Machine machine;
    const auto trainer = make_trainer(machine, config);
    const RuleText text(config);
    const std::vector<MicroBatch> batch = {text.training_batch(0)};
    const double first = trainer->step(machine.ctx, batch, 0, 1e-2).loss;
    CHECK(first == doctest::Approx(std::log(64.0)).epsilon(0.05));
    CHECK(train_steps(machine, *trainer, text, 150, 1) < 0.1);
  }
}

TEST_CASE("trainer: the same weights bit for bit after 50 steps with 1, 2, 3 and 4 threads") {
  for (const char* precision : {"f32", "bf16"}) {
    TrainConfig config = tiny_config();
    config.run.precision = precision;
    config.run.dropout = 0.1;
    const RuleText text(config);
    std::vector<std::vector<float>> expected;
    for (const int threads : {1, 2, 3, 4}) {
      Machine machine(threads);
      const auto trainer = make_trainer(machine, config);
      train_steps(machine, *trainer, text, 50, 50);
      if (threads == 1) expected = masters(*trainer);
      CHECK(masters(*trainer) == expected);
    }
  }
}

TEST_CASE("trainer: recomputing activations changes no bit") {
  TrainConfig config = tiny_config();
  config.run.dropout = 0.1;
  const RuleText text(config);
  std::vector<std::vector<float>> expected;
  for (const bool recompute : {false, true}) {
    config.run.recompute = recompute;
    Machine machine;
    const auto trainer = make_trainer(machine, config);
    train_steps(machine, *trainer, text, 5, 5);
    if (!recompute) expected = masters(*trainer);
    CHECK(masters(*trainer) == expected);
  }
}

TEST_CASE("trainer: two micro-batches make the gradient of one batch of both") {
  TrainConfig config = tiny_config();
  config.run.precision = "f32";
  // Auxiliary losses are means over a micro-batch, so only cross-entropy adds up exactly.
  config.loss.load_balancing = "none";
  config.loss.z_weight = 0.0;
  const RuleText text(config);
  const MicroBatch a = text.training_batch(0);
  MicroBatch b = text.training_batch(1);
  for (size_t i = 0; i < 40; ++i) b.targets[i] = -1;  // unequal numbers of targets
  MicroBatch both = a;
  both.tokens.insert(both.tokens.end(), b.tokens.begin(), b.tokens.end());
  both.targets.insert(both.targets.end(), b.targets.begin(), b.targets.end());
  for (const int64_t start : b.starts) {
    both.starts.push_back(start + static_cast<int64_t>(a.tokens.size()));
  }
  Machine machine;
  const auto one = make_trainer(machine, config);
  const auto two = make_trainer(machine, config);
  const StepResult joint = one->step(machine.ctx, std::vector<MicroBatch>{both}, 0, 1e-2);
  const StepResult split = two->step(machine.ctx, std::vector<MicroBatch>{a, b}, 0, 1e-2);
  CHECK(joint.loss == doctest::Approx(split.loss).epsilon(1e-6));
  CHECK(joint.gradient_norm == doctest::Approx(split.gradient_norm).epsilon(1e-5));
  for (int64_t i = 0; i < one->gradients().size(); ++i) {
    const auto g = one->gradients().tensor(i).span<float>();
    const auto h = two->gradients().tensor(i).span<float>();
    double difference = 0.0;
    double norm = 0.0;
    for (size_t j = 0; j < g.size(); ++j) {
      difference += (g[j] - h[j]) * (g[j] - h[j]);
      norm += g[j] * g[j];
    }
    CHECK(std::sqrt(difference) <= 1e-5 * std::sqrt(norm) + 1e-9);
  }
}

TEST_CASE("trainer: a step whose loss is not finite changes nothing") {
  TrainConfig config = tiny_config();
  const RuleText text(config);
  Machine machine;
  const auto trainer = make_trainer(machine, config);
  train_steps(machine, *trainer, text, 3, 3);
  float& weight = trainer->optimizer().master(0).data<float>()[0];
  const float saved = weight;
  const auto before = masters(*trainer);
  weight = NAN;
  trainer->optimizer().publish(machine.ctx);
  MicroBatch batch = text.training_batch(3);
  batch.tokens[0] = 0;  // the poisoned row of the embedding
  CHECK(trainer->step(machine.ctx, std::vector<MicroBatch>{batch}, 3, 1e-2).skipped);
  CHECK(trainer->optimizer().steps() == 3);
  weight = saved;
  CHECK(masters(*trainer) == before);
}

TEST_CASE("trainer: a batch without targets and tokens beyond the vocabulary are refused") {
  TrainConfig config = tiny_config();
  const RuleText text(config);
  Machine machine;
  const auto trainer = make_trainer(machine, config);
  MicroBatch batch = text.training_batch(0);
  batch.tokens[3] = kTinyVocab;
  CHECK_THROWS_AS(trainer->step(machine.ctx, std::vector<MicroBatch>{batch}, 0, 1e-2), Error);
  batch = text.training_batch(0);
  std::fill(batch.targets.begin(), batch.targets.end(), -1);
  CHECK_THROWS_AS(trainer->step(machine.ctx, std::vector<MicroBatch>{batch}, 0, 1e-2), Error);
}

TEST_CASE("validation: losses add up over sources, bits per byte count bytes") {
  TrainConfig config = tiny_config();
  const RuleText text(config);
  Machine machine;
  const auto trainer = make_trainer(machine, config);
  const ValidationReport report = validate(machine.ctx, *trainer, text, 0);
  REQUIRE(report.sources.size() == 2);
  const double mean = (report.sources[0].loss + report.sources[1].loss) / 2;  // of equal size
  CHECK(report.total.loss == doctest::Approx(mean));
  CHECK(report.total.bits_per_byte == doctest::Approx(mean / std::log(2.0)));  // a byte a token
  int64_t assignments = 0;
  for (const int64_t count : report.sources[0].expert_counts.at(1)) assignments += count;
  CHECK(assignments == 2 * 2 * 4 * 32);  // batches * top_k * tokens of a batch
}

TEST_CASE("plan: what training takes of memory is about what was planned") {
  for (const char* precision : {"f32", "bf16"}) {
    for (const bool recompute : {false, true}) {
      TrainConfig config = tiny_config();
      config.model.hidden_size = 128;
      config.model.num_layers = 4;
      config.model.expert_size = 64;
      config.data.sequence_length = 256;
      config.data.micro_batch = 8;
      config.run.precision = precision;
      config.run.recompute = recompute;
      Machine machine;
      const auto trainer = make_trainer(machine, config);
      const MemoryPlan plan = plan_memory(trainer->spec(), config);
      const int64_t fixed = machine.allocator->used_bytes();
      const int64_t planned_fixed = plan.weights + plan.gradients + plan.optimizer;
      CHECK(static_cast<double>(fixed) == doctest::Approx(planned_fixed).epsilon(0.05));
      const std::vector<MicroBatch> batch = {RuleText(config).training_batch(0)};
      trainer->step(machine.ctx, batch, 0, 1e-2);
      const auto measured = static_cast<double>(machine.allocator->held_bytes() - fixed);
      CAPTURE(measured);
      CAPTURE(plan.activations);
      CAPTURE(recompute);
      // Matrix products take a few MiB of scratch for each thread, whatever the model.
      CHECK(measured < 1.25 * static_cast<double>(plan.activations) + (16 << 20));
      CHECK(measured > 0.6 * static_cast<double>(plan.activations));
    }
  }
}

TEST_CASE("plan: the block of logits of a large vocabulary is part of what is planned") {
  TrainConfig config = tiny_config();
  config.data.sequence_length = 256;
  config.data.micro_batch = 8;
  Machine machine;
  Trainer trainer(machine.ctx, build_spec(config, /*vocab_size=*/30000, -1, -1), config);
  trainer.initialise(machine.ctx);
  const MemoryPlan plan = plan_memory(trainer.spec(), config);
  const int64_t fixed = machine.allocator->used_bytes();
  const std::vector<MicroBatch> batch = {RuleText(config).training_batch(0)};
  trainer.step(machine.ctx, batch, 0, 1e-2);
  const auto measured = static_cast<double>(machine.allocator->held_bytes() - fixed);
  CAPTURE(measured);
  CAPTURE(plan.activations);
  CHECK(plan.activations > 100 << 20);
  // Matrix products take a few MiB of scratch for each thread, whatever the model.
  CHECK(measured < 1.25 * static_cast<double>(plan.activations) + (16 << 20));
  CHECK(measured > 0.6 * static_cast<double>(plan.activations));
}

TEST_CASE("routers: an expert that gets nothing is dead and is told of once") {
  const TrainConfig config = tiny_config();
  RouterMonitor monitor(build_spec(config, kTinyVocab, -1, -1));
  nn::ForwardTrace trace;
  trace.routers.resize(2);
  for (nn::RouterTrace& router : trace.routers) {
    router.statistics.num_tokens = 100;
    router.statistics.counts = {100, 60, 40, 0};
    router.statistics.entropy_sum = 100 * std::log(4.0);
  }
  trace.routers[1].statistics.counts = {50, 50, 50, 50};
  std::vector<std::string> warnings;
  for (int round = 0; round < 2; ++round) {
    monitor.add(trace);
    const RouterReport report = monitor.report(round, warnings);
    CHECK(report.layers[0].dead == 1);
    CHECK(report.layers[0].max_over_mean == doctest::Approx(2.0));
    CHECK(report.layers[0].router_entropy == doctest::Approx(1.0));
    CHECK(report.layers[1].load_entropy == doctest::Approx(1.0));
  }
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("layer 0: 1 of 4") != std::string::npos);
  CHECK(warnings[0].find(": 3") != std::string::npos);
  for (int round = 0; round < 11; ++round) {  // healthy for a while, then dead again
    if (round < 10) trace.routers[0].statistics.counts = {50, 50, 50, 50};
    if (round == 10) trace.routers[0].statistics.counts = {100, 0, 60, 40};
    monitor.add(trace);
    monitor.report(round, warnings);
  }
  CHECK(warnings.size() == 2);
}

TEST_CASE("routers: statistics that are not finite count in no report") {
  const TrainConfig config = tiny_config();
  RouterMonitor monitor(build_spec(config, kTinyVocab, -1, -1));
  nn::ForwardTrace good;
  good.routers.resize(2);
  for (nn::RouterTrace& router : good.routers) {
    router.statistics.num_tokens = 100;
    router.statistics.counts = {50, 50, 60, 40};
    router.statistics.entropy_sum = 70.0;
    router.statistics.squared_lse_sum = 200.0;
  }
  // A NaN in the weights of the first layer: its own router sees it, and the one behind it.
  nn::ForwardTrace bad = good;
  bad.routers[0].statistics.entropy_sum = NAN;
  bad.routers[1].statistics.squared_lse_sum = INFINITY;
  std::vector<std::string> warnings;
  for (const bool alone : {false, true}) {
    if (!alone) monitor.add(good);
    monitor.add(bad);
    for (const LayerLoad& load : monitor.report(1, warnings).layers) {
      CHECK(load.counts == (alone ? std::vector<int64_t>(4) : good.routers[0].statistics.counts));
      CHECK(load.z == (alone ? 0.0 : 2.0));
      CHECK(std::isfinite(load.router_entropy));
      CHECK(load.dead == 0);
    }
  }
  CHECK(warnings.empty());
}

}  // namespace
}  // namespace cadre::train
