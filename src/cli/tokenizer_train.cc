// cadre tokenizer train: a byte-level BPE from files.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "cli/human.h"
#include "cli/progress.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "cli/tokenizer_command.h"
#include "core/base/error.h"
#include "core/base/fields.h"
#include "core/io/json_value.h"
#include "data/documents.h"
#include "text/bpe_trainer.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> inputs;
  std::string output = "tokenizer.json";
  int64_t threads = 0;
  bool json = false;
  text::BpeTrainerOptions trainer;
  data::DocumentOptions documents;

  void visit_fields(auto&& field) {
    field("threads", threads, Interval{0, 4096}, "0 takes all that this machine offers");
  }
};

void run(const Options& options) {
  ThreadPool pool(thread_count(options.threads));
  data::DocumentReader reader(options.inputs, options.documents);
  const text::Tokenizer tokenizer = train_tokenizer(reader, options.trainer, pool);
  const fs::path file = fs::is_directory(options.output)
                            ? fs::path(options.output) / "tokenizer.json"
                            : fs::path(options.output);
  tokenizer.save(file);
  const data::DocumentCounts& counts = reader.counts();
  for (const std::string& problem : counts.problems) print_error("warning: " + problem);
  if (options.json) {
    io::JsonValue json = io::JsonValue::object();
    json.set("file", file.string())
        .set("vocab_size", tokenizer.vocab_size())
        .set("documents", counts.documents)
        .set("bytes", counts.bytes);
    print("{}\n", json.dump());
    return;
  }
  print("{}: {} tokens, from {} in {} documents\n", file.string(), grouped(tokenizer.vocab_size()),
        human_bytes(static_cast<double>(counts.bytes)), grouped(counts.documents));
}

}  // namespace

text::Tokenizer train_tokenizer(data::DocumentReader& reader,
                                const text::BpeTrainerOptions& options, ThreadPool& pool) {
  ProgressBar reading("reading", "bytes", reader.total_bytes());
  ProgressBar merging("learning tokens", "tokens", options.vocab_size);
  std::optional<data::Document> document;
  const auto next = [&]() -> std::optional<std::string_view> {
    document = reader.next();
    if (!document) return std::nullopt;
    return document->text;
  };
  const auto progress = [&](const text::BpeTrainerProgress& state) {
    if (state.phase == text::BpeTrainerProgress::Phase::reading) {
      reading.update(reader.read_bytes());
    } else {
      reading.finish();
      merging.update(state.done);
    }
  };
  text::Tokenizer tokenizer = text::train_bpe(next, options, pool, progress);
  if (reader.counts().documents == 0) {
    fail(ErrorKind::invalid_input, "no text was found in {} files, expected at least one document",
         reader.total_files());
  }
  return tokenizer;
}

void setup_tokenizer_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("inputs", options->inputs,
                 "Files, folders or globs: text, JSONL, also compressed by zstd")
      ->type_name("INPUT...")
      ->required();
  app.add_option("-o,--output", options->output, "The file to write, or a folder for it")
      ->type_name("FILE")
      ->capture_default_str();
  add_fields(app, options->trainer);
  add_fields(app, *options);
  add_fields(app, options->documents, "Input");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre tokenizer train texts/ --vocab-size 16384 -o tokenizer.json\n"
               "  cadre tokenizer train src/ --include .cc,.h --threads 4");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
