// cadre tokenizer encode, decode, info: what a tokenizer file does to text. Training one stands in
// tokenizer_train.cc.

#include "cli/tokenizer_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/input.h"
#include "cli/model_input.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/json_value.h"
#include "text/tokenizer.h"

namespace cadre::cli {

namespace {

using io::JsonValue;

struct Options {
  std::string tokenizer;
  std::string text;
  std::string file;
  std::vector<std::string> ids;
  bool no_special = false;
  bool pieces = false;
  bool json = false;
};

void encode(const Options& options, const CLI::App& app) {
  const text::Tokenizer tokenizer = load_tokenizer(options.tokenizer);
  const std::vector<int32_t> ids = tokenizer.encode(
      prompt_text(options.text, options.file, app.count("--text") > 0),
      {.add_special_tokens = !options.no_special, .parse_special = !options.no_special});
  if (options.json) {
    JsonValue pieces = JsonValue::array();
    for (const int32_t id : ids) pieces.push(tokenizer.id_to_token(id));
    JsonValue result = JsonValue::object();
    result.set("ids", ids).set("tokens", std::move(pieces));
    print("{}\n", result.dump());
    return;
  }
  std::string line;
  for (const int32_t id : ids) {
    line += options.pieces ? fmt::format("{}\t{}\n", id, tokenizer.id_to_token(id))
                           : fmt::format("{}{}", line.empty() ? "" : " ", id);
  }
  print_text(line);
  if (!options.pieces) print_text("\n");
}

void decode(const Options& options) {
  const text::Tokenizer tokenizer = load_tokenizer(options.tokenizer);
  std::string list;
  for (const std::string& id : options.ids) list += id + " ";
  if (options.ids.empty()) {
    list = options.file.empty() ? read_standard_input() : read_text_file(options.file);
  }
  const std::vector<int32_t> ids = parse_token_ids(list);
  for (const int32_t id : ids) {
    if (id < 0 || id >= tokenizer.vocab_size()) {
      fail(ErrorKind::invalid_input, "token {}, expected 0 to {}", id, tokenizer.vocab_size() - 1);
    }
  }
  const std::string text = tokenizer.decode(ids, options.no_special);
  if (options.json) {
    JsonValue result = JsonValue::object();
    result.set("text", text);
    print("{}\n", result.dump());
    return;
  }
  print_text(text);
  // A person's prompt belongs on a line of its own; a file gets the text and nothing else.
  if (stdout_is_terminal()) print_text("\n");
}

struct TextSize {
  int64_t bytes = 0;
  int64_t tokens = 0;

  double bytes_per_token() const { return tokens > 0 ? double(bytes) / double(tokens) : 0.0; }
};

// What the tokenizer makes of a text: the figure by which tokenizers compare.
TextSize measure(const text::Tokenizer& tokenizer, const std::string& file) {
  const std::string text = read_text_file(file);
  const std::vector<int32_t> ids = tokenizer.encode(text, {.add_special_tokens = false});
  return {static_cast<int64_t>(text.size()), static_cast<int64_t>(ids.size())};
}

void info(const Options& options) {
  const text::Tokenizer tokenizer = load_tokenizer(options.tokenizer);
  const text::TokenizerSummary& summary = tokenizer.summary();
  TextSize size;
  if (!options.file.empty()) size = measure(tokenizer, options.file);
  const std::vector<int32_t> specials = tokenizer.special_ids();
  int64_t tokens = 0, bytes = 0, longest = 0;
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const auto length =
        static_cast<int64_t>(tokenizer.token_bytes(static_cast<int32_t>(id)).size());
    if (tokenizer.id_to_token(static_cast<int32_t>(id)).empty()) continue;
    ++tokens;
    bytes += length;
    longest = std::max(longest, length);
  }
  if (options.json) {
    JsonValue special = JsonValue::array();
    for (const int32_t id : specials) {
      JsonValue token = JsonValue::object();
      token.set("id", id).set("content", tokenizer.id_to_token(id));
      special.push(std::move(token));
    }
    JsonValue result = JsonValue::object();
    result.set("model", summary.model)
        .set("normalizer", summary.normalizer)
        .set("pre_tokenizer", summary.pre_tokenizer)
        .set("vocab_size", tokenizer.vocab_size())
        .set("tokens", tokens)
        .set("mean_token_bytes", tokens > 0 ? double(bytes) / double(tokens) : 0.0)
        .set("longest_token_bytes", longest)
        .set("special_tokens", std::move(special))
        .set("notes", tokenizer.notes());
    if (!options.file.empty()) {
      result.set("text_bytes", size.bytes)
          .set("text_tokens", size.tokens)
          .set("bytes_per_token", size.bytes_per_token());
    }
    print("{}\n", result.pretty());
    return;
  }
  const auto or_none = [](const std::string& name) { return name.empty() ? "none" : name; };
  print("model           {}\n", summary.model);
  print("normalizer      {}\n", or_none(summary.normalizer));
  print("pre-tokenizer   {}\n", or_none(summary.pre_tokenizer));
  print("vocabulary      {} ids, {} of them with a token\n", grouped(tokenizer.vocab_size()),
        grouped(tokens));
  print("token length    {:.2f} bytes on average, {} at most\n",
        tokens > 0 ? double(bytes) / double(tokens) : 0.0, longest);
  if (!options.file.empty()) {
    print("{}: {} bytes, {} tokens, {:.2f} bytes per token\n", options.file, grouped(size.bytes),
          grouped(size.tokens), size.bytes_per_token());
  }
  print("special tokens  {}\n", specials.size());
  for (const int32_t id : specials) print("  {:>8}  {}\n", id, tokenizer.id_to_token(id));
  for (const std::string& note : tokenizer.notes()) print("note: {}\n", note);
}

void add_tokenizer(CLI::App& app, Options& options) {
  app.add_option("tokenizer", options.tokenizer,
                 "A tokenizer.json or tokenizer.model, or a model or run folder that holds one")
      ->type_name("FILE")
      ->required();
  add_json_flag(app, options.json);
}

void setup_encode(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_tokenizer(app, *options);
  auto* text = app.add_option("--text", options->text, "The text")->type_name("TEXT");
  app.add_option("--file", options->file, "Read the text from this file")
      ->type_name("FILE")
      ->excludes(text);
  app.add_flag("--no-special", options->no_special,
               "Add no special tokens, and see none in the text");
  app.add_flag("--pieces", options->pieces, "One token a line, with its written form");
  add_examples(app,
               "  cadre tokenizer encode model/ --text 'a small group of specialists'\n"
               "  cadre tokenizer encode tokenizer.json --pieces < notes.txt");
  app.callback([options, &app] { encode(*options, app); });
}

void setup_decode(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_tokenizer(app, *options);
  app.add_option("ids", options->ids, "Token ids; standard input if none is given")
      ->type_name("N...");
  app.add_option("--file", options->file, "Read the ids from this file")->type_name("FILE");
  app.add_flag("--skip-special", options->no_special, "Leave special tokens out");
  add_examples(app,
               "  cadre tokenizer decode model/ 64 1792 258\n"
               "  cadre tokenizer encode model/ --text hello | cadre tokenizer decode model/");
  app.callback([options] { decode(*options); });
}

void setup_info(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_tokenizer(app, *options);
  app.add_option("--file", options->file, "Count the tokens of this text")->type_name("FILE");
  add_examples(app,
               "  cadre tokenizer info model/ --json\n"
               "  cadre tokenizer info tokenizer.model --file notes.txt");
  app.callback([options] { info(*options); });
}

}  // namespace

void setup_tokenizer(CLI::App& app) {
  app.require_subcommand(1);
  setup_tokenizer_train(*app.add_subcommand("train", "Learn a byte-level BPE from text"));
  setup_encode(*app.add_subcommand("encode", "Text to token ids"));
  setup_decode(*app.add_subcommand("decode", "Token ids to text"));
  setup_info(*app.add_subcommand("info", "Kind, size and special tokens of a tokenizer"));
}

}  // namespace cadre::cli
