#include "cli/train_job.h"

#include <span>

#include "cli/human.h"
#include "cli/input.h"
#include "cli/stop_signals.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/ops/roofline.h"
#include "infer/generator.h"
#include "text/tokenizer_config.h"
#include "train/pretrain/dataset.h"

namespace cadre::cli {
namespace {

// Tokens of a held-out document that a sample goes on from.
constexpr size_t kPromptTokens = 12;
constexpr double kTemperature = 0.8;
constexpr double kTopP = 0.95;

using Prompts = std::vector<std::vector<int32_t>>;

Prompts held_out_beginnings(const train::Dataset& dataset) {
  Prompts prompts;
  const auto num_sources = static_cast<int64_t>(dataset.sources().size());
  for (int64_t source = 0; source < num_sources; ++source) {
    if (dataset.num_validation_batches(source) == 0) continue;
    const std::vector<int32_t> tokens = dataset.validation_batch(source, 0).tokens;
    prompts.emplace_back(tokens.begin(),
                         tokens.begin() + std::min<int64_t>(kPromptTokens, std::ssize(tokens)));
  }
  return prompts;
}

std::vector<train::Sample> write_samples(Context& ctx, const model::Decoder& decoder,
                                         const text::Tokenizer& tokenizer, const Prompts& prompts,
                                         int64_t max_tokens) {
  std::vector<train::Sample> samples;
  for (const std::vector<int32_t>& prompt : prompts) {
    infer::GenerateOptions options;
    options.sampler.temperature = kTemperature;
    options.sampler.top_p = kTopP;
    // A short context leaves less room.
    const int64_t room = decoder.spec().max_positions - std::ssize(prompt);
    if (room < 1) continue;
    options.max_tokens = std::min(max_tokens, room);
    options.num_candidates = tokenizer.vocab_size();
    if (decoder.spec().eos_token_id >= 0) {
      options.stop_tokens.push_back(static_cast<int32_t>(decoder.spec().eos_token_id));
    }
    const infer::GenerateResult result = infer::generate(ctx, decoder, prompt, options, {});
    samples.push_back({tokenizer.decode(prompt), tokenizer.decode(result.tokens)});
  }
  return samples;
}

// A model goes on with the ids it knows.
void expect_same_tokens(const text::Tokenizer& of_data, const text::Tokenizer& of_model,
                        const std::string& dataset, const std::string& model) {
  for (int64_t i = 0; i < of_data.vocab_size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    // The same piece is written differently in files of different kinds.
    if (of_data.id_to_token(id) == of_model.id_to_token(id)) continue;
    const std::string_view bytes = of_data.token_bytes(id);
    if (!bytes.empty() && bytes == of_model.token_bytes(id)) continue;
    fail(ErrorKind::invalid_input,
         "{}: token {} is \"{}\", but \"{}\" in {}; build the data with that model's tokenizer "
         "(cadre data build --tokenizer)",
         dataset, id, of_data.id_to_token(id), of_model.id_to_token(id), model);
  }
}

double peak_flops(Context& ctx, const train::RunConfig& run) {
  if (run.peak_gflops > 0.0) return run.peak_gflops * 1e9;
  constexpr int kRepeats = 5;
  return ops::measure_peak_flops(ctx, run.precision == "bf16" ? DType::bf16 : DType::f32, kRepeats);
}

}  // namespace

train::RunResult run_train_job(Runtime& runtime, const TrainJob& job,
                               train::TrainObserver& observer) {
  const train::Dataset dataset(job.config);
  train::RunEnvironment environment = dataset.environment();
  const text::Tokenizer tokenizer = load_tokenizer(environment.tokenizer_folder);
  const std::string& source = job.config.model.init_from;
  if (!job.resume && !source.empty() && has_tokenizer(source)) {
    expect_same_tokens(tokenizer, load_tokenizer(source), job.config.data.dataset, source);
  }
  const std::string pad = text::read_tokenizer_config(environment.tokenizer_folder).pad_token;
  if (!pad.empty()) environment.pad_token_id = tokenizer.required_id(pad);
  environment.peak_flops = peak_flops(runtime.context(), job.config.run);
  environment.resume = job.resume;

  Prompts prompts;
  for (const std::string& prompt : job.prompts) prompts.push_back(tokenizer.encode(prompt));
  if (prompts.empty()) prompts = held_out_beginnings(dataset);
  environment.sample = [&](Context& ctx, const model::Decoder& decoder) {
    return write_samples(ctx, decoder, tokenizer, prompts, job.sample_tokens);
  };
  const StopSignals signals;
  environment.stop_signal = &signals.requested();
  return train::train(runtime.context(), job.config, environment, observer);
}

void print_result(const train::RunResult& result) {
  const std::string folder = result.folder.string();
  std::string line =
      fmt::format("{}: {} steps, {} tokens in {}", folder, grouped(result.step),
                  human_count(static_cast<double>(result.tokens)), human_duration(result.seconds));
  if (result.validation) {
    line += fmt::format(", held out {:.3f} bits/byte", result.validation->total.bits_per_byte);
  }
  print("{}\n", line);
  if (result.stop_signal != 0) {
    print("Stopped by a signal. To go on:  cadre train --resume {}\n", folder);
    return;
  }
  print("The model is in {}; curves and samples are in {}\n", (result.folder / "latest").string(),
        (result.folder / "report.html").string());
}

}  // namespace cadre::cli
