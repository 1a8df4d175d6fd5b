// cadre bench train: whole training steps on random tokens.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cli/bench.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "core/base/random.h"
#include "core/io/json_value.h"
#include "core/ops/roofline.h"
#include "model/cost.h"
#include "train/pretrain/trainer.h"

namespace cadre::cli {
namespace {

struct Options {
  std::string preset = "small";
  bool dense = false;
  int64_t steps = 5;
  int64_t warm_up = 2;
  std::string precision = "bf16";
  int64_t num_experts = 0;
  bool json = false;
  RuntimeOptions runtime;
};

struct Preset {
  std::string_view name;
  int64_t hidden_size, num_layers, num_heads, num_experts, top_k, expert_size, vocab_size;
  int64_t micro_batch, sequence_length;
};

// The second has the layers of OLMoE-1B-7B, two of its sixteen.
constexpr Preset kPresets[] = {
    {"small", 512, 8, 8, 32, 4, 256, 8192, 8, 512},
    {"olmoe-2-layers", 2048, 2, 16, 64, 8, 1024, 50304, 2, 1024},
    {"tiny", 128, 2, 4, 8, 2, 64, 1024, 4, 128},
};

const Preset& find_preset(const std::string& name) {
  return *std::ranges::find(kPresets, name, &Preset::name);
}

train::TrainConfig configuration(const Options& options, const Preset& preset) {
  train::TrainConfig config;
  config.model.hidden_size = preset.hidden_size;
  config.model.num_layers = preset.num_layers;
  config.model.num_heads = preset.num_heads;
  config.model.num_experts = options.num_experts > 0 ? options.num_experts : preset.num_experts;
  config.model.top_k = preset.top_k;
  config.model.expert_size = preset.expert_size;
  config.data.sequence_length = preset.sequence_length;
  config.data.micro_batch = preset.micro_batch;
  config.run.precision = options.precision;
  config.optim.skip_window = 0;
  return config;
}

// The dense twin: an MLP as wide as all the experts that a token meets.
void make_dense(model::ModelSpec& spec) {
  for (model::BlockSpec& block : spec.blocks) {
    const auto moe = std::get<model::MoeSpec>(block.feed_forward);
    block.feed_forward = model::MlpSpec{moe.router.top_k * moe.expert.intermediate_size};
  }
}

train::MicroBatch random_batch(const Preset& preset, uint64_t seed) {
  train::MicroBatch batch;
  RandomStream random(seed);
  const int64_t count = preset.micro_batch * preset.sequence_length;
  for (int64_t i = 0; i < count; ++i) {
    if (i % preset.sequence_length == 0) batch.starts.push_back(i);
    batch.tokens.push_back(
        static_cast<int32_t>(random.below(static_cast<uint64_t>(preset.vocab_size))));
  }
  batch.targets.assign(batch.tokens.begin() + 1, batch.tokens.end());
  batch.targets.push_back(0);
  return batch;
}

void run(const Options& options) {
  const Preset& preset = find_preset(options.preset);
  const train::TrainConfig config = configuration(options, preset);
  model::ModelSpec spec = train::build_spec(config, preset.vocab_size, 0, -1);
  if (options.dense) make_dense(spec);
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  const bool bf16 = options.precision == "bf16";
  const double peak = ops::measure_peak_flops(ctx, bf16 ? DType::bf16 : DType::f32, 5);
  train::Trainer trainer(ctx, spec, config);
  trainer.initialise(ctx);
  std::vector<double> seconds;
  for (int64_t step = 0; step < options.warm_up + options.steps; ++step) {
    const train::MicroBatch batch = random_batch(preset, static_cast<uint64_t>(step));
    const auto start = std::chrono::steady_clock::now();
    trainer.step(ctx, {&batch, 1}, step, 1e-4);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (step >= options.warm_up) seconds.push_back(elapsed.count());
  }
  const double median = median_of(seconds);
  const auto tokens = static_cast<double>(preset.micro_batch * preset.sequence_length);
  const double flops =
      tokens * model::training_matmul_flops_per_token(spec, preset.sequence_length);
  const double share = flops / median / peak;
  const model::ModelCost cost = model::cost(spec);
  if (options.json) {
    io::JsonValue json = io::JsonValue::object();
    json.set("preset", preset.name)
        .set("dense", options.dense)
        .set("precision", options.precision)
        .set("threads", static_cast<int64_t>(runtime.pool().num_threads()))
        .set("kernels", runtime.table().name)
        .set("total_parameters", cost.total_parameters)
        .set("active_parameters", cost.active_parameters)
        .set("step_seconds", seconds)
        .set("median_step_seconds", median)
        .set("tokens_per_second", tokens / median)
        .set("flops_per_second", flops / median)
        .set("peak_flops_per_second", peak)
        .set("share_of_peak", share)
        .set("memory_bytes", ctx.allocator().peak_bytes());
    print("{}\n", json.dump());
    return;
  }
  print("{}{}, {}, {} threads, {}\n", preset.name, options.dense ? " (dense twin)" : "",
        options.precision, runtime.pool().num_threads(), runtime.table().name);
  print("parameters  {} in all, {} active\n", human_count(double(cost.total_parameters)),
        human_count(double(cost.active_parameters)));
  print("step        {:.1f} ms, median of {}\n", median * 1e3, seconds.size());
  print("speed       {:.0f} tokens/s, {}FLOP/s\n", tokens / median, human_count(flops / median));
  print("limit       {}FLOP/s in registers: {:.1f} %\n", human_count(peak), 100 * share);
  print("memory      {} at most\n", human_bytes(double(ctx.allocator().peak_bytes())));
}

}  // namespace

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void setup_bench_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--preset", options->preset,
                 "small (512 wide, 8 layers, 32 experts), olmoe-2-layers, or tiny")
      ->check(CLI::IsMember({"small", "olmoe-2-layers", "tiny"}))
      ->capture_default_str();
  app.add_flag("--dense", options->dense, "The dense model of equal active size instead");
  app.add_option("--experts", options->num_experts, "Another number of experts")
      ->check(CLI::Range(1, 65536))
      ->type_name("N");
  app.add_option("--precision", options->precision, "bf16 or f32")
      ->check(CLI::IsMember({"bf16", "f32"}))
      ->capture_default_str();
  app.add_option("--steps", options->steps, "Steps that are timed")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--warm-up", options->warm_up, "Steps before them")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre bench train\n"
               "  cadre bench train --preset olmoe-2-layers --steps 3 --json\n"
               "  cadre bench train --dense");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
