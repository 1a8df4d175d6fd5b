// cadre eval: how good a model is.

#include "cli/eval_command.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/expert_report.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/input.h"
#include "cli/model_input.h"
#include "cli/progress.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "core/base/file.h"
#include "core/io/json_value.h"
#include "eval/perplexity.h"

namespace cadre::cli {
namespace {

struct Options {
  std::string model;
  std::string text;
  ModelOptions load;
  eval::PerplexityOptions window;
  bool json = false;
  RuntimeOptions runtime;
};

void run_perplexity(const Options& options) {
  const std::filesystem::path folder = find_model(options.model);
  const std::string text = read_text_input(options.text);
  const std::vector<int32_t> tokens = load_tokenizer(folder).encode(text);
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  const model::ModelSpec spec = model::read_spec(folder);
  print_notes(spec);
  const model::LoadedModel loaded = load_model(ctx, folder, spec, options.load);
  ProgressBar bar("perplexity", "tokens", static_cast<int64_t>(tokens.size()));
  bar.stops_on_signals();
  const eval::PerplexityResult result = eval::perplexity(
      ctx, *loaded.decoder, tokens, static_cast<int64_t>(text.size()), options.window,
      [&](double share) {
        bar.update(static_cast<int64_t>(share * static_cast<double>(tokens.size())));
      });
  bar.finish();
  if (options.json) {
    io::JsonValue json = io::JsonValue::object();
    json.set("perplexity", result.perplexity)
        .set("nats_per_token", result.nats_per_token)
        .set("bits_per_byte", result.bits_per_byte)
        .set("tokens", result.num_tokens)
        .set("bytes", static_cast<int64_t>(text.size()));
    if (loaded.experts) json.set("experts", experts_json(loaded.experts->statistics()));
    print("{}\n", json.dump());
    return;
  }
  print("perplexity     {:.4f}\n", result.perplexity);
  print("loss           {:.4f} nats a token\n", result.nats_per_token);
  print("bits per byte  {:.4f}\n", result.bits_per_byte);
  print("text           {} tokens, {} bytes\n", grouped(result.num_tokens),
        grouped(static_cast<int64_t>(text.size())));
  report_experts(loaded);
}

void setup_perplexity(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "A model or run folder, or a .gguf file")
      ->type_name("MODEL")
      ->required();
  app.add_option("--text", options->text, "The text file; - is standard input")
      ->type_name("FILE")
      ->required();
  app.add_option("--context", options->window.context,
                 "Tokens of a window; 0 takes the model's context")
      ->type_name("N");
  app.add_option("--stride", options->window.stride,
                 "Tokens that each window scores; 0 takes half the context")
      ->type_name("N");
  add_model_options(app, options->load);
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre eval perplexity runs/quickstart --text notes.txt\n"
               "  cadre eval perplexity large.gguf --memory 8G --text notes.txt\n"
               "  cadre eval perplexity model/ --active-experts 4 --text notes.txt\n"
               "  cadre eval perplexity model/ --text - --context 512 --stride 256 --json < a.txt");
  app.callback([options] { run_perplexity(*options); });
}

}  // namespace

void setup_eval(CLI::App& app) {
  app.require_subcommand(1);
  setup_divergence(*app.add_subcommand(
      "divergence", "How far one model's predictions are from another's on the same text"));
  setup_perplexity(*app.add_subcommand("perplexity", "How well a model predicts a text"));
  setup_stream(*app.add_subcommand(
      "stream", "How well it goes on predicting a text longer than its context, with sinks"));
}

}  // namespace cadre::cli
