// cadre data build, info: text becomes token shards.
#include "cli/data_command.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "cli/tokenizer_command.h"
#include "core/base/error.h"
#include "core/io/json_value.h"
#include "data/token_stream.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;
using io::JsonValue;

struct Options {
  std::vector<std::string> inputs;
  std::vector<std::string> sources;  // NAME=INPUT,INPUT
  std::vector<std::string> weights;  // NAME=WEIGHT
  std::string tokenizer;
  std::string output;
  int64_t vocab_size = 0;
  int64_t threads = 0;
  bool verify = false;
  bool json = false;
  data::BuildOptions build;

  void visit_fields(auto&& field) {
    field("threads", threads, Interval{0, 4096}, "0 takes all that this machine offers");
    field("vocab_size", vocab_size, Interval{0, 1 << 24},
          "without --tokenizer: train one of this size on the same text");
  }
};

// "name=rest"; throws Error(invalid_input) naming the flag.
std::pair<std::string, std::string> split_named(const std::string& text, std::string_view flag) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    fail(ErrorKind::invalid_input, "command line: {} \"{}\", expected NAME=VALUE", flag, text);
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> list;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) list.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return list;
}

void set_weight(std::vector<data::SourceSpec>& sources, const std::string& text) {
  const auto [name, value] = split_named(text, "--weight");
  double weight = 0.0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), weight);
  if (error != std::errc() || end != value.data() + value.size()) {
    fail(ErrorKind::invalid_input, "command line: --weight {}: \"{}\", expected a number", name,
         value);
  }
  std::vector<std::string> names;
  for (data::SourceSpec& source : sources) {
    if (source.name == name) {
      source.weight = weight;
      return;
    }
    names.push_back(source.name);
  }
  fail(ErrorKind::invalid_input,
       "command line: --weight names no source \"{}\"; did you mean \"{}\"?", name,
       nearest_name(name, names));
}

std::vector<data::SourceSpec> source_specs(const Options& options) {
  std::vector<data::SourceSpec> specs;
  if (!options.inputs.empty()) specs.push_back({.name = "text", .inputs = options.inputs});
  for (const std::string& source : options.sources) {
    const auto [name, inputs] = split_named(source, "--source");
    specs.push_back({.name = name, .inputs = split_list(inputs)});
  }
  if (specs.empty()) {
    fail(ErrorKind::invalid_input, "command line: no text, expected INPUT or --source NAME=INPUT");
  }
  for (const std::string& weight : options.weights) set_weight(specs, weight);
  return specs;
}

text::Tokenizer choose_tokenizer(const Options& options,
                                 const std::vector<data::SourceSpec>& sources, ThreadPool& pool) {
  if (!options.tokenizer.empty()) return load_tokenizer(options.tokenizer);
  if (options.vocab_size == 0) {
    fail(ErrorKind::invalid_input,
         "command line: no tokenizer, expected --tokenizer FILE or --vocab-size N to train one");
  }
  std::vector<std::string> inputs;
  for (const data::SourceSpec& source : sources) {
    inputs.insert(inputs.end(), source.inputs.begin(), source.inputs.end());
  }
  data::DocumentReader reader(inputs, options.build.documents);
  text::BpeTrainerOptions trainer;
  trainer.vocab_size = options.vocab_size;
  return train_tokenizer(reader, trainer, pool);
}

JsonValue as_json(const data::SplitEntry& split) {
  JsonValue json = JsonValue::object();
  json.set("documents", split.documents())
      .set("tokens", split.tokens())
      .set("text_bytes", split.text_bytes())
      .set("shards", static_cast<int64_t>(split.shards.size()));
  return json;
}

JsonValue as_json(const data::DatasetManifest& manifest) {
  JsonValue sources = JsonValue::array();
  for (const data::SourceEntry& source : manifest.sources) {
    JsonValue entry = JsonValue::object();
    entry.set("name", source.name)
        .set("weight", source.weight)
        .set("train", as_json(source.train))
        .set("held_out", as_json(source.held_out))
        .set("reading", source.reading);
    sources.push(std::move(entry));
  }
  JsonValue json = JsonValue::object();
  json.set("vocab_size", manifest.vocab_size)
      .set("eos_id", manifest.eos_id)
      .set("sources", std::move(sources));
  return json;
}

void show(const data::DatasetManifest& manifest, bool json) {
  if (json) {
    print("{}\n", as_json(manifest).pretty());
  } else {
    print_manifest(manifest);
  }
}

void build(const Options& options) {
  ThreadPool pool(thread_count(options.threads));
  const std::vector<data::SourceSpec> sources = source_specs(options);
  const text::Tokenizer tokenizer = choose_tokenizer(options, sources, pool);
  show(build_with_progress(sources, options.build, tokenizer, options.output, pool), options.json);
}

void info(const Options& options) {
  const data::DatasetManifest manifest = data::read_manifest(options.output);
  if (options.verify) {
    for (const data::SourceEntry& source : manifest.sources) {
      data::TokenStream::open(options.output, source.train, manifest.vocab_size, true);
      data::TokenStream::open(options.output, source.held_out, manifest.vocab_size, true);
    }
  }
  show(manifest, options.json);
}

void setup_build(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("inputs", options->inputs,
                 "Files, folders or globs: text, JSONL, also compressed by zstd")
      ->type_name("INPUT...");
  app.add_option("-o,--output", options->output, "The folder to write")
      ->type_name("FOLDER")
      ->required();
  app.add_option("--source", options->sources, "A named source; may come many times")
      ->type_name("NAME=INPUT,INPUT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--weight", options->weights, "Share of a source in training; 1 if not given")
      ->type_name("NAME=X")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--tokenizer", options->tokenizer, "A tokenizer.json, or a folder that holds one")
      ->type_name("FILE");
  add_fields(app, *options);
  add_fields(app, options->build, "Input and output");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre data build texts/ --vocab-size 8192 -o data/texts\n"
               "  cadre data build --source web=crawl/*.jsonl.zst --source code=src/ \\\n"
               "      --weight code=2 --include .cc,.h --tokenizer model/ -o data/mix");
  app.callback([options] { build(*options); });
}

void setup_info(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("dataset", options->output, "A folder that `cadre data build` wrote")
      ->type_name("FOLDER")
      ->required();
  app.add_flag("--verify", options->verify, "Read every shard and check it");
  add_json_flag(app, options->json);
  add_examples(app, "  cadre data info data/mix --verify");
  app.callback([options] { info(*options); });
}

}  // namespace

data::DatasetManifest build_with_progress(const std::vector<data::SourceSpec>& sources,
                                          const data::BuildOptions& options,
                                          const text::Tokenizer& tokenizer, const fs::path& folder,
                                          ThreadPool& pool) {
  std::optional<ProgressBar> bar;
  std::string source;
  const auto progress = [&](const data::BuildProgress& state) {
    if (!bar || source != state.source) {
      source = state.source;
      bar.emplace("tokenising " + source, "bytes", state.total_bytes);
    }
    bar->update(state.read_bytes, grouped(state.tokens) + " tokens");
  };
  const data::TokenEncoder encoder =
      data::make_encoder(tokenizer, data::end_of_text_id(tokenizer), pool.num_threads());
  const data::DatasetManifest manifest =
      data::build_dataset(sources, options, encoder, folder, pool, progress);
  bar.reset();
  for (const data::SourceEntry& entry : manifest.sources) {
    const JsonValue* problems = entry.reading.find("problems");
    const auto* list = problems != nullptr ? problems->get_if<JsonValue::Array>() : nullptr;
    if (list == nullptr) continue;
    for (const JsonValue& problem : *list) {
      print_error("warning: " + *problem.get_if<std::string>());
    }
  }
  return manifest;
}

void print_manifest(const data::DatasetManifest& manifest) {
  print("{:<16}{:>8}{:>12}{:>12}{:>14}{:>14}{:>12}\n", "source", "weight", "documents", "text",
        "tokens", "held out", "bytes/token");
  for (const data::SourceEntry& source : manifest.sources) {
    const auto bytes = static_cast<double>(source.train.text_bytes());
    const auto tokens = static_cast<double>(source.train.tokens());
    print("{:<16}{:>8g}{:>12}{:>12}{:>14}{:>14}{:>12.2f}\n", source.name, source.weight,
          grouped(source.train.documents()), human_bytes(bytes), grouped(source.train.tokens()),
          grouped(source.held_out.tokens()), tokens > 0 ? bytes / tokens : 0.0);
  }
}

void setup_data(CLI::App& app) {
  app.require_subcommand(1);
  setup_build(*app.add_subcommand("build", "Tokenise text into a folder of shards"));
  setup_info(*app.add_subcommand("info", "What a dataset holds"));
}

}  // namespace cadre::cli
