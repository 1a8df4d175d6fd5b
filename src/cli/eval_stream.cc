// cadre eval stream: a text of any length, read through a window with and without sinks.

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
#include "eval/line_plot.h"
#include "eval/stream.h"

namespace cadre::cli {
namespace {

struct Options {
  std::string model;
  std::string text;
  ModelOptions load;
  int64_t tokens = 100'000;
  int64_t window = 0;
  std::vector<int64_t> sinks = {0, 4};
  bool whole = false;
  int64_t block = 1000;
  std::string cache_type = "auto";
  std::string plot;
  bool json = false;
  RuntimeOptions runtime;
};

struct Curve {
  std::string name;
  int64_t window;
  int64_t sinks;
  eval::StreamResult result;

  double perplexity() const {
    return std::exp(result.total_nats / static_cast<double>(result.num_tokens));
  }
};

// What is measured, each in turn. A window of 0 is as long as the model's context has room for.
std::vector<Curve> curves_of(const Options& options, const model::ModelSpec& spec) {
  std::vector<Curve> curves;
  const int64_t most = *std::ranges::max_element(options.sinks);
  const int64_t window = options.window > 0 ? options.window : spec.max_positions - most;
  if (window < 1) {
    fail(ErrorKind::invalid_input,
         "{} sinks leave no window in a context of {}: give --attention-window", most,
         spec.max_positions);
  }
  for (const int64_t sinks : options.sinks) {
    // Each sees as many tokens.
    curves.push_back({fmt::format("{} sinks, window {}", sinks, window + most - sinks),
                      window + most - sinks,
                      sinks,
                      {}});
  }
  if (options.whole) curves.push_back({"all tokens in sight", 0, 0, {}});
  return curves;
}

void print_curves(const std::vector<Curve>& curves, const Options& options) {
  print("{:>12}", "tokens");
  for (const Curve& curve : curves) print("  {:>24}", curve.name);
  print("\n");
  // No more than 20 lines, each the mean of what lies between.
  const size_t blocks = curves.front().result.block_nats.size();
  const size_t step = (blocks + 19) / 20;
  for (size_t begin = 0; begin < blocks; begin += step) {
    const size_t end = std::min(blocks, begin + step);
    print("{:>12}", grouped(std::min(static_cast<int64_t>(end) * options.block,
                                     curves.front().result.num_tokens)));
    for (const Curve& curve : curves) {
      double nats = 0;
      for (size_t i = begin; i < end; ++i) nats += curve.result.block_nats[i];
      print("  {:>24.4g}", std::exp(nats / static_cast<double>(end - begin)));
    }
    print("\n");
  }
  print("{:>12}", "all");
  for (const Curve& curve : curves) print("  {:>24.4g}", curve.perplexity());
  print("\n{:>12}", "cache");
  for (const Curve& curve : curves) {
    print("  {:>24}", human_bytes(static_cast<double>(curve.result.cache_bytes)));
  }
  print("\n");
}

io::JsonValue as_json(const std::vector<Curve>& curves, const Options& options) {
  io::JsonValue list = io::JsonValue::array();
  for (const Curve& curve : curves) {
    io::JsonValue blocks = io::JsonValue::array();
    for (const double nats : curve.result.block_nats) blocks.push(std::exp(nats));
    io::JsonValue entry = io::JsonValue::object();
    entry.set("window", curve.window)
        .set("sinks", curve.sinks)
        .set("tokens", curve.result.num_tokens)
        .set("perplexity", curve.perplexity())
        .set("cache_bytes", curve.result.cache_bytes)
        .set("block_perplexity", std::move(blocks));
    list.push(std::move(entry));
  }
  io::JsonValue json = io::JsonValue::object();
  json.set("block", options.block).set("curves", std::move(list));
  return json;
}

void write_plot(const std::vector<Curve>& curves, const Options& options) {
  std::vector<eval::PlotLine> lines;
  for (const Curve& curve : curves) {
    eval::PlotLine line{curve.name, {}, {}};
    for (size_t i = 0; i < curve.result.block_nats.size(); ++i) {
      line.x.push_back(static_cast<double>(
          std::min((static_cast<int64_t>(i) + 1) * options.block, curve.result.num_tokens)));
      line.y.push_back(std::exp(curve.result.block_nats[i]));
    }
    lines.push_back(std::move(line));
  }
  write_file_atomically(
      options.plot,
      eval::line_plot_svg(
          {.title = fmt::format("Perplexity of each {} tokens of one text", grouped(options.block)),
           .x = "tokens read",
           .y = "perplexity"},
          lines));
}

void run(const Options& options) {
  for (const int64_t sinks : options.sinks) {
    if (sinks < 0) fail(ErrorKind::invalid_input, "--sinks {}, expected at least 0", sinks);
  }
  if (options.tokens < 2 || options.window < 0) {
    fail(ErrorKind::invalid_input,
         "--tokens {} and --attention-window {}, expected at least 2 tokens and no negative window",
         options.tokens, options.window);
  }
  const std::filesystem::path folder = find_model(options.model);
  const std::string text = read_text_input(options.text);
  std::vector<int32_t> tokens = load_tokenizer(folder).encode(text);
  if (std::ssize(tokens) > options.tokens) tokens.resize(static_cast<size_t>(options.tokens));
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  const model::ModelSpec spec = model::read_spec(folder);
  print_notes(spec);
  std::vector<Curve> curves = curves_of(options, spec);
  const model::LoadedModel loaded = load_model(ctx, folder, spec, options.load);
  const auto count = static_cast<int64_t>(tokens.size());
  ProgressBar bar("stream", "tokens", count * std::ssize(curves));
  bar.stops_on_signals();
  for (size_t i = 0; i < curves.size(); ++i) {
    Curve& curve = curves[i];
    curve.result = eval::stream_perplexity(
        ctx, *loaded.decoder, tokens,
        {.window = curve.window,
         .sinks = curve.sinks,
         .block = options.block,
         .cache_type = infer::cache_type_from_name(options.cache_type)},
        [&](int64_t read) { bar.update(static_cast<int64_t>(i) * count + read); });
  }
  bar.finish();
  if (!options.plot.empty()) write_plot(curves, options);
  if (options.json) {
    print("{}\n", as_json(curves, options).dump());
  } else {
    print_curves(curves, options);
  }
}

}  // namespace

void setup_stream(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "A model or run folder, or a .gguf file")
      ->type_name("MODEL")
      ->required();
  app.add_option("--text", options->text, "The text file; - is standard input")
      ->type_name("FILE")
      ->required();
  app.add_option("--tokens", options->tokens, "Read no more than this many of its tokens")
      ->capture_default_str()
      ->type_name("N");
  app.add_option(
         "--attention-window", options->window,
         "Last tokens in sight beside the most sinks; fewer sinks see more of them. 0 takes "
         "what the model's context has room for")
      ->type_name("W");
  app.add_option("--sinks", options->sinks, "First tokens that stay in sight: a curve for each")
      ->delimiter(',')
      ->default_str("0,4")
      ->type_name("S,...");
  app.add_flag("--whole", options->whole, "A curve with all tokens in sight as well");
  app.add_option("--block", options->block, "Tokens to a point of a curve")
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--cache-type", options->cache_type, "How keys and values are kept: auto or int8")
      ->capture_default_str()
      ->type_name("TYPE");
  app.add_option("--plot", options->plot, "Write the curves as an SVG file")->type_name("FILE");
  add_model_options(app, options->load);
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre eval stream runs/quickstart --text book.txt --plot sinks.svg\n"
               "  cadre eval stream model/ --text book.txt --sinks 0,1,4 --attention-window 1020\n"
               "  cadre eval stream model/ --text - --tokens 20000 --whole --json < book.txt");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
