// cadre eval divergence: how far one model's predictions are from another's.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "cli/eval_command.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/input.h"
#include "cli/model_input.h"
#include "cli/progress.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/json_value.h"
#include "eval/divergence.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string a;
  std::string b;
  std::string text;
  ModelOptions load;  // of B; A is taken as stored, in the same arithmetic and memory
  eval::DivergenceOptions window;
  bool json = false;
  RuntimeOptions runtime;
};

// Both tokenizers must cut the text alike; a model without one is taken to have the other's.
std::vector<int32_t> common_tokens(const fs::path& a, const fs::path& b, const std::string& text) {
  if (!has_tokenizer(b)) return load_tokenizer(a).encode(text);
  const std::vector<int32_t> second = load_tokenizer(b).encode(text);
  if (!has_tokenizer(a)) return second;
  const std::vector<int32_t> first = load_tokenizer(a).encode(text);
  if (first == second) return first;
  const auto at = std::ranges::mismatch(first, second).in1 - first.begin();
  fail(ErrorKind::invalid_input,
       "{} and {} cut the text into different tokens, from token {} on: expected models with the "
       "same tokenizer",
       a.string(), b.string(), at);
}

model::LoadedModel load(Context& ctx, const fs::path& place, const ModelOptions& options) {
  const model::ModelSpec spec = model::read_spec(place);
  print_notes(spec);
  return load_model(ctx, place, spec, options);
}

io::JsonValue as_json(const eval::DivergenceResult& result) {
  io::JsonValue layers = io::JsonValue::array();
  for (const eval::LayerAgreement& layer : result.layers) {
    io::JsonValue entry = io::JsonValue::object();
    entry.set("layer", layer.layer).set("experts", layer.experts).set("all", layer.all);
    layers.push(std::move(entry));
  }
  io::JsonValue json = io::JsonValue::object();
  json.set("tokens", result.num_tokens)
      .set("perplexity_a", result.perplexity_a)
      .set("perplexity_b", result.perplexity_b)
      .set("log_ratio", result.log_ratio)
      .set("log_ratio_error", result.log_ratio_error)
      .set("mean_kl", result.mean_kl)
      .set("mean_kl_error", result.mean_kl_error)
      .set("median_kl", result.median_kl)
      .set("kl_90", result.kl_90)
      .set("kl_99", result.kl_99)
      .set("max_kl", result.max_kl)
      .set("same_top", result.same_top)
      .set("probability_rms", result.probability_rms)
      .set("routing", std::move(layers));
  return json;
}

void print_result(const eval::DivergenceResult& result) {
  print("perplexity         A {:.4f}   B {:.4f}   ({:+.3f} %, standard error {:.3f} %)\n",
        result.perplexity_a, result.perplexity_b, 100.0 * std::expm1(result.log_ratio),
        100.0 * result.log_ratio_error);
  print("KL(A||B)           mean {:.6f} +- {:.6f} nats, median {:.6f}\n", result.mean_kl,
        result.mean_kl_error, result.median_kl);
  print("                   90 % below {:.6f}, 99 % below {:.6f}, largest {:.6f}\n", result.kl_90,
        result.kl_99, result.max_kl);
  print("likeliest token    the same at {:.2f} % of {} tokens\n", 100.0 * result.same_top,
        grouped(result.num_tokens));
  print("true token         its probability differs by {:.3f} % (root mean square)\n",
        100.0 * result.probability_rms);
  for (const eval::LayerAgreement& layer : result.layers) {
    print("routing, layer {:<3} {:.2f} % of choices equal, {:.2f} % of tokens in all of theirs\n",
          layer.layer, 100.0 * layer.experts, 100.0 * layer.all);
  }
}

void run(const Options& options) {
  const fs::path a = find_model(options.a);
  const fs::path b = find_model(options.b);
  const std::string text = read_text_input(options.text);
  const std::vector<int32_t> tokens = common_tokens(a, b, text);
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  const model::LoadedModel first =
      load(ctx, a, {.dtype = options.load.dtype, .memory = options.load.memory});
  const model::LoadedModel second = load(ctx, b, options.load);
  const auto total = static_cast<int64_t>(tokens.size());
  ProgressBar bar("divergence", "tokens", total);
  bar.stops_on_signals();
  const eval::DivergenceResult result = eval::divergence(
      ctx, *first.decoder, *second.decoder, tokens, options.window,
      [&](double share) { bar.update(static_cast<int64_t>(share * static_cast<double>(total))); });
  bar.finish();
  if (options.json) {
    print("{}\n", as_json(result).dump());
  } else {
    print_result(result);
  }
}

}  // namespace

void setup_divergence(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("a", options->a, "The model that counts as right: a folder or file")
      ->type_name("A")
      ->required();
  app.add_option("b", options->b, "The model compared with it, as a quantised one")
      ->type_name("B")
      ->required();
  app.add_option("--text", options->text, "The text file; - is standard input")
      ->type_name("FILE")
      ->required();
  app.add_option("--context", options->window.context,
                 "Tokens of a window; 0 takes the smaller of the models' contexts")
      ->type_name("N");
  app.add_option("--stride", options->window.stride,
                 "Tokens that each window scores; 0 takes half the context")
      ->type_name("N");
  add_model_options(app, options->load);
  app.get_option("--memory")
      ->description(
          "The most memory that the weights of each of the two may take, as 6G: of a larger model, "
          "experts are read from the file when they are needed");
  for (const char* name : {"--weights", "--active-experts", "--expert-threshold"}) {
    app.get_option(name)->group("Of B");
  }
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre eval divergence olmoe/ olmoe-q4_k.gguf --text wiki.txt\n"
               "  cadre eval divergence olmoe/ olmoe/ --weights q4_0 --text wiki.txt\n"
               "  cadre eval divergence a/ b/ --text - --context 512 --json < notes.txt");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
