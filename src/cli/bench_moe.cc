// cadre bench moe: one mixture layer, forward and backward, for growing numbers of experts.

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cli/bench.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "core/io/json_value.h"
#include "core/ops/roofline.h"
#include "core/ops/tape.h"
#include "model/nn/moe_layer.h"

namespace cadre::cli {
namespace {

struct Options {
  std::vector<int64_t> experts = {8, 32, 128, 512, 2048};
  int64_t hidden_size = 512;
  int64_t top_k = 4;
  int64_t expert_size = 256;
  int64_t tokens = 4096;
  int64_t repeats = 7;
  std::string precision = "bf16";
  bool forward_only = false;
  bool json = false;
  RuntimeOptions runtime;
};

model::ModelSpec layer_spec(const Options& options, int64_t num_experts) {
  model::BlockSpec block;
  block.attention = {.num_heads = 1, .num_kv_heads = 1, .head_dim = 2, .rope = {}};
  block.feed_forward = model::MoeSpec{
      .router = {.num_experts = num_experts, .top_k = std::min(options.top_k, num_experts)},
      .expert = {options.expert_size}};
  model::ModelSpec spec;
  spec.architecture = "OlmoeForCausalLM";
  spec.vocab_size = 2;
  spec.hidden_size = options.hidden_size;
  spec.max_positions = 1;
  spec.blocks = {block};
  return spec;
}

void fill_normal(Context& ctx, const model::ModelSpec& spec, const model::ParameterSpec& parameter,
                 uint64_t seed, const Tensor& target) {
  const Tensor values = ctx.empty(target.shape(), DType::f32);
  model::initialise(ctx, spec, parameter, seed, values);
  ctx.for_rows(target.elements(), 4, [&](Range range) {
    ctx.kernels().cast({values.raw(), DType::f32, target.raw(), target.dtype()}, range);
  });
}

struct Result {
  double seconds;
  double flops;
  double weight_bytes;
};

// Every expert's weights are read in each of the two products of a pass, and in training their
// gradients are written: what must move however few tokens an expert has.
Result measure(Context& ctx, const Options& options, int64_t num_experts) {
  const DType type = options.precision == "bf16" ? DType::bf16 : DType::f32;
  const model::ModelSpec spec = layer_spec(options, num_experts);
  const model::Parameters parameters(ctx, spec, type);
  std::vector<Tensor> gradients;
  double weights = 0.0;
  for (int64_t p = 0; p < parameters.size(); ++p) {
    const model::ParameterSpec& parameter = parameters.specs()[static_cast<size_t>(p)];
    fill_normal(ctx, spec, parameter, 1, parameters.tensor(p));
    gradients.push_back(options.forward_only ? Tensor() : ctx.empty(parameter.shape, DType::f32));
    if (parameter.kind == model::ParameterKind::expert) {
      weights += static_cast<double>(parameter.shape.elements());
    }
  }
  const nn::MoeLayer layer(spec, 0, parameters);
  const model::ParameterSpec input = {
      "input", {options.tokens, options.hidden_size}, model::ParameterKind::projection, 0};
  const Tensor x = ctx.empty(input.shape, type);
  fill_normal(ctx, spec, input, 2, x);
  std::vector<double> seconds;
  for (int64_t repeat = 0; repeat <= options.repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    if (options.forward_only) {
      layer.forward(ctx, x, {}, nullptr);
    } else {
      Tape tape;
      for (int64_t p = 0; p < parameters.size(); ++p) {
        tape.watch(parameters.tensor(p), gradients[static_cast<size_t>(p)], /*fresh=*/true);
      }
      const Tensor dx = ctx.empty_like(x);
      tape.watch(x, dx, /*fresh=*/true);
      const Context::TapeScope scope(ctx, &tape);
      const Tensor y = layer.forward(ctx, x, {}, nullptr);
      tape.backward(ctx, y, x);
      tape.finish_leaves(ctx);
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (repeat > 0) seconds.push_back(elapsed.count());
  }
  const auto& moe = std::get<model::MoeSpec>(spec.blocks[0].feed_forward);
  const double passes = options.forward_only ? 1 : 3;
  const double flops_per_token =
      2.0 *
      (3.0 * static_cast<double>(moe.router.top_k * options.expert_size) +
       static_cast<double>(num_experts)) *
      static_cast<double>(options.hidden_size);
  const double element = static_cast<double>(dtype_size(type));
  return {median_of(seconds), passes * flops_per_token * static_cast<double>(options.tokens),
          weights * (options.forward_only ? element : 2 * element + 4)};
}

void run(const Options& options) {
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  const ops::Roofline roofline = ops::measure_roofline(ctx);
  ctx.allocator().release_unused();
  const double peak = options.precision == "bf16" ? roofline.bf16_flops : roofline.f32_flops;
  io::JsonValue rows = io::JsonValue::array();
  if (!options.json) {
    print("{} tokens, {} wide, {} of E experts of {}, {}, {} threads, {}\n", options.tokens,
          options.hidden_size, options.top_k, options.expert_size,
          options.forward_only ? "forward" : "forward and backward", runtime.pool().num_threads(),
          runtime.table().name);
    print("limits: {}FLOP/s, {}/s\n\n", human_count(peak), human_bytes(roofline.copy_bytes));
    print("{:>8} {:>12} {:>10} {:>12} {:>10} {:>14}\n", "experts", "tokens/s", "ms", "FLOP/s",
          "of peak", "of the bound");
  }
  for (const int64_t experts : options.experts) {
    const Result result = measure(ctx, options, experts);
    ctx.allocator().release_unused();
    // No faster than arithmetic at its peak, nor than the weights can move.
    const double bound = std::max(result.flops / peak, result.weight_bytes / roofline.copy_bytes);
    const double rate = static_cast<double>(options.tokens) / result.seconds;
    if (options.json) {
      io::JsonValue row = io::JsonValue::object();
      row.set("experts", experts)
          .set("seconds", result.seconds)
          .set("tokens_per_second", rate)
          .set("flops_per_second", result.flops / result.seconds)
          .set("share_of_peak", result.flops / result.seconds / peak)
          .set("share_of_bound", bound / result.seconds);
      rows.push(std::move(row));
      continue;
    }
    print("{:>8} {:>12.0f} {:>10.2f} {:>12} {:>9.1f}% {:>13.1f}%\n", experts, rate,
          1e3 * result.seconds, human_count(result.flops / result.seconds),
          100 * result.flops / result.seconds / peak, 100 * bound / result.seconds);
    flush_output();
  }
  if (!options.json) return;
  io::JsonValue json = io::JsonValue::object();
  json.set("peak_flops_per_second", peak)
      .set("memory_bytes_per_second", roofline.copy_bytes)
      .set("results", std::move(rows));
  print("{}\n", json.dump());
}

}  // namespace

void setup_bench_moe(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--experts", options->experts, "Numbers of experts")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  const auto number = [&](const char* flag, int64_t& value, const char* help) {
    app.add_option(flag, value, help)
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 24))
        ->capture_default_str();
  };
  number("--hidden-size", options->hidden_size, "D");
  number("--top-k", options->top_k, "k");
  number("--expert-size", options->expert_size, "F");
  number("--tokens", options->tokens, "N");
  number("--repeats", options->repeats, "Runs of which the median is taken");
  app.add_option("--precision", options->precision, "bf16 or f32")
      ->check(CLI::IsMember({"bf16", "f32"}))
      ->capture_default_str();
  app.add_flag("--forward-only", options->forward_only, "Leave the backward pass out");
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre bench moe\n"
               "  cadre bench moe --experts 64 --hidden-size 2048 --expert-size 1024 --top-k 8");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
