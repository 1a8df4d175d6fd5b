// Training with every router: bits, resumption, learning, and what each leaves in a run folder.
#include <doctest/doctest.h>

#include <cmath>

#include "core/base/error.h"
#include "core/io/json.h"
#include "model/stored_model.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"
#include "train/log/records.h"
#include "train/optim/selection_bias.h"
#include "train/pretrain/trainer.h"

namespace cadre::train {
namespace {

TrainConfig config_with(const std::string& kind) {
  TrainConfig config = tiny_config();
  config.router.kind = kind;
  return config;
}

// Routers that choose with chance, keep state, or are tight, besides the published kinds.
std::vector<TrainConfig> configurations() {
  std::vector<TrainConfig> result;
  for (const std::string& kind : ops::router_kinds()) result.push_back(config_with(kind));
  TrainConfig tight = config_with("megablocks");
  tight.router.capacity_factor = 0.5;
  result.push_back(tight);
  TrainConfig gumbel = config_with("deepspeed_top_1");
  gumbel.router.noise = "gumbel";
  gumbel.router.jitter = 0.1;
  result.push_back(gumbel);
  TrainConfig batch = config_with("expert_choice");
  batch.router.choose_within = "batch";
  result.push_back(batch);
  return result;
}

std::vector<std::vector<float>> masters_after(const TrainConfig& config, int threads,
                                              int64_t steps) {
  Machine machine(threads);
  Trainer trainer(machine.ctx, build_spec(config, kTinyVocab, -1, -1), config);
  trainer.initialise(machine.ctx);
  const RuleText text(config);
  for (int64_t step = 0; step < steps; ++step) {
    const std::vector<MicroBatch> batches = {text.training_batch(2 * step),
                                             text.training_batch(2 * step + 1)};
    trainer.step(machine.ctx, batches, step, 1e-2);
  }
  std::vector<std::vector<float>> result;
  for (int64_t i = 0; i < trainer.parameters()->size(); ++i) {
    const auto values = trainer.optimizer().master(i).span<float>();
    result.emplace_back(values.begin(), values.end());
  }
  return result;
}

TEST_CASE("routers: the same bits for any number of threads, recomputed or not") {
  for (TrainConfig config : configurations()) {
    CAPTURE(config.router.kind);
    const auto expected = masters_after(config, 1, 4);
    CHECK(masters_after(config, 3, 4) == expected);
    config.run.recompute = true;
    CHECK(masters_after(config, 2, 4) == expected);
    config.run.seed = 2;
    CHECK(masters_after(config, 2, 4) != expected);
  }
}

TEST_CASE("routers: a resumed run equals the uninterrupted one, and its checkpoint the model") {
  for (TrainConfig config : configurations()) {
    CAPTURE(config.router.kind);
    const ScratchFolder folder;
    config.optim.schedule.schedule = "constant";  // the rate must not depend on the length
    config.optim.schedule.warmup_steps = 2;
    config.run.checkpoint_every = -1;
    config.run.steps = 8;
    config.run.folder = folder / "whole";
    const RunResult whole = run_tiny(config);
    config.run.folder = folder / "parts";
    config.run.steps = 4;
    run_tiny(config);
    config.run.steps = 8;
    run_tiny(config, /*resume=*/true);
    CHECK(fingerprint(folder / "parts/latest") == fingerprint(folder / "whole/latest"));
    // What is stored computes what was trained.
    Machine machine;
    const auto loaded = model::load_model(machine.ctx, whole.checkpoint, DType::bf16);
    const RuleText text(config);
    double sum = 0.0;
    int64_t count = 0;
    for (int64_t source = 0; source < 2; ++source) {
      for (int64_t b = 0; b < text.num_validation_batches(source); ++b) {
        const MicroBatch batch = text.validation_batch(source, b);
        nn::ForwardInput input = model::packed_input(batch.tokens, batch.starts);
        input.sequence_length = config.data.sequence_length;
        const Tensor hidden = loaded.decoder->hidden(machine.ctx, input, nullptr);
        const std::vector<float> weights(batch.targets.size(), 1.0f);
        for (const float loss :
             loaded.decoder->loss(machine.ctx, hidden, batch.targets, weights).token_losses) {
          sum += loss;
        }
        count += batch.num_targets;
      }
    }
    CHECK(sum / static_cast<double>(count) == doctest::Approx(whole.validation->total.loss));
  }
}

TEST_CASE("routers: each learns") {
  for (const TrainConfig& config : configurations()) {
    CAPTURE(config.router.kind);
    Machine machine;
    Trainer trainer(machine.ctx, build_spec(config, kTinyVocab, -1, -1), config);
    trainer.initialise(machine.ctx);
    const RuleText text(config);
    double loss = 0.0;
    for (int64_t step = 0; step < 120; ++step) {
      const std::vector<MicroBatch> batch = {text.training_batch(step)};
      loss = trainer.step(machine.ctx, batch, step, 1e-2).loss;
    }
    CHECK(loss < 0.5 * std::log(64.0));  // from ln 64; text of noise alone would stay there
  }
}

TEST_CASE("routers: a tight capacity is told of in every log") {
  const ScratchFolder folder;
  TrainConfig config = config_with("switch");
  config.router.capacity_factor = 0.5;
  config.run.folder = folder / "run";
  run_tiny(config);
  double dropped = 0.0;
  for (const std::string& line : metrics(folder / "run", {"train", "routers"})) {
    const io::JsonValue record = io::parse_json(line, "metrics.jsonl");
    if (text_of(record, "event") == "train") {
      dropped = number_of(record, "dropped_share");
      CHECK(dropped >= 0.5);  // at least: experts are not loaded evenly
      CHECK(dropped < 1.0);
    }
    for (const auto& [name, value] : scalars_of(record)) {
      if (name == "router/0/dropped_share") CHECK(value >= 0.5);
      // Of one choice a token, so what is dropped is a token without an expert.
      if (name == "router/0/unrouted_share") CHECK(value >= 0.5);
    }
  }
  CHECK(dropped > 0.0);
}

TEST_CASE(
    "selection bias: rises for idle experts, falls for crowded ones, in steps that are taken") {
  Machine machine;
  const model::ModelSpec spec = build_spec(config_with("deepseek_v3"), kTinyVocab, -1, -1);
  const auto parameters = std::make_shared<model::Parameters>(machine.ctx, spec, DType::f32);
  float* bias = parameters->tensor("blocks.1.router_bias").data<float>();
  std::fill_n(bias, 4, 0.0f);
  SelectionBias balancer(parameters, spec.num_layers(), 0.25);
  nn::ForwardTrace trace;
  trace.routers.resize(2);
  for (auto& router : trace.routers) router.statistics.counts = {7, 3, 5, 4};
  balancer.add(trace);
  for (auto& router : trace.routers) router.statistics.counts = {3, 1, 5, 4};  // sums 10 4 10 8
  balancer.add(trace);
  balancer.step(true);
  CHECK(std::vector<float>(bias, bias + 4) == std::vector<float>{-0.25f, 0.25f, -0.25f, 0.0f});
  balancer.add(trace);
  balancer.step(false);
  balancer.step(true);  // nothing counted since: all are even
  CHECK(std::vector<float>(bias, bias + 4) == std::vector<float>{-0.25f, 0.25f, -0.25f, 0.0f});
}

TEST_CASE("selection bias: balances a router that has no loss") {
  const auto entropy_with = [](double rate) {
    TrainConfig config = config_with("deepseek_v3");
    config.router.bias_update_rate = rate;
    config.model.num_experts = 8;
    config.loss.z_weight = 0.0;
    Machine machine;
    Trainer trainer(machine.ctx, build_spec(config, kTinyVocab, -1, -1), config);
    trainer.initialise(machine.ctx);
    const RuleText text(config);
    std::vector<std::string> warnings;
    for (int64_t step = 0; step < 100; ++step) {
      if (step == 80) trainer.routers().report(step, warnings);
      const std::vector<MicroBatch> batch = {text.training_batch(step)};
      trainer.step(machine.ctx, batch, step, 1e-2);
    }
    double sum = 0.0;
    for (const LayerLoad& layer : trainer.routers().report(100, warnings).layers) {
      sum += layer.load_entropy / 2;
    }
    return sum;
  };
  const double without = entropy_with(0.0);
  const double with = entropy_with(0.02);
  CAPTURE(without);
  CHECK(with > without);
  CHECK(with > 0.98);
}

TEST_CASE("init_from: a model goes on with another router, whose own parameters begin anew") {
  const ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.folder = folder / "first";
  const RunResult first = run_tiny(config);
  for (const char* kind : {"default", "switch", "noisy_top_k", "deepseek_v3", "attention"}) {
    CAPTURE(kind);
    TrainConfig next = tiny_config();
    next.model.init_from = first.checkpoint;
    next.router.kind = kind;
    next.run.folder = folder / kind;
    const RunResult result = run_tiny(next);
    CHECK(result.validation->total.loss < 3.5);
    const model::ModelSpec spec = model::read_spec(result.checkpoint);
    const auto& router = std::get<model::MoeSpec>(spec.blocks[0].feed_forward).router;
    const std::string own = kind == std::string("default") ? "top_k" : kind;
    CHECK(router == ops::router_of_kind(own, 4, 2));
  }
}

TEST_CASE("router settings: over a kind, and refused where they contradict it") {
  TrainConfig config = config_with("st_moe");
  config.router.capacity_factor = 0.75;
  config.router.eval_capacity_factor = 0.0;
  config.router.second_expert = "random";
  config.router.renormalise = "kept";
  const model::ModelSpec spec = build_spec(config, kTinyVocab, -1, -1);
  const auto& router = std::get<model::MoeSpec>(spec.blocks[1].feed_forward).router;
  CHECK(router.capacity.train_factor == 0.75);
  CHECK(router.capacity.eval_factor == 0.0);
  CHECK(router.capacity.priority == ops::Priority::score);
  CHECK(std::get<ops::TokenChoice>(router.choice).second == ops::SecondExpert::random);
  CHECK(router.renormalise_kept);
  CHECK_FALSE(router.renormalise);
  const auto refused = [](TrainConfig bad) {
    CHECK_THROWS_AS(build_spec(bad, kTinyVocab, -1, -1), Error);
  };
  config = config_with("expert_choice");
  config.router.num_groups = 2;
  refused(config);
  config = config_with("top_k");
  config.router.choose_within = "batch";
  refused(config);
  config.router.choose_within = "default";
  config.router.top_k = 9;
  refused(config);
  config = config_with("gshard");
  config.loss.importance_weight = 0.1;
  CHECK_THROWS_AS(router_loss_options(config, build_spec(config, kTinyVocab, -1, -1)), Error);
}

}  // namespace
}  // namespace cadre::train
