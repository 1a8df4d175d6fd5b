// cadre chat: a conversation, in the terminal or through pipes.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "cli/chat_console.h"
#include "cli/chat_input.h"
#include "cli/chat_model.h"
#include "cli/chat_session.h"
#include "cli/command.h"
#include "cli/constraint_input.h"
#include "cli/expert_report.h"
#include "cli/flags.h"
#include "cli/input.h"
#include "cli/model_input.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/io/json.h"

namespace cadre::cli {
namespace {

struct Options {
  std::string model;
  std::string system;
  std::string chat_template;
  std::string messages;
  ModelOptions load;
  int64_t max_tokens = 1024;
  std::vector<std::string> stop;
  bool drop_oldest = false;
  bool json = false;
  ChatConsoleOptions console;
  infer::EngineOptions engine;
  ConstraintOptions constraint;
  infer::SamplerOptions sampler;
  RuntimeOptions runtime;
};

void write_answer(const Options& options, ChatSession& session) {
  if (options.console.show_prompt) print_error(session.prompt());
  const ChatAnswer answer = session.answer(
      [&](std::string_view piece) {
        if (options.json) return;
        print_text(piece);
        flush_output();
      },
      [] { return true; });
  print("{}\n", options.json ? chat_answer_json(answer).dump() : "");
  flush_output();
  if (options.console.verbose) print_error(chat_speed(answer));
}

// One message for each line of standard input (or more, see read_message), one answer each.
void answer_lines(const Options& options, ChatSession& session) {
  const LineSource source = [](bool) -> std::optional<std::string> {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    if (line.ends_with('\r')) line.pop_back();
    return line;
  };
  while (const auto message = read_message(source)) {
    if (message->empty()) continue;
    session.add("user", *message);
    write_answer(options, session);
  }
}

bool asks_for_tools(const std::string& messages) {
  if (messages.empty()) return false;
  const io::JsonView root = io::JsonView::read_file(messages);
  return root.value().get_if<io::JsonValue::Object>() != nullptr && !root.is_null("tools");
}

void run(const Options& options, const CLI::App& app) {
  const std::filesystem::path place = find_model(options.model);
  const text::Tokenizer tokenizer = load_tokenizer(place);
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  const model::ModelSpec spec = model::read_spec(place);
  print_notes(spec);
  const text::ChatTemplate chat = chat_template_of(place, spec, tokenizer, options.chat_template,
                                                   asks_for_tools(options.messages));
  infer::GenerateOptions generate;
  generate.sampler = options.sampler;
  draw_seed(generate.sampler);
  generate.max_tokens = options.max_tokens;
  generate.prefill_chunk = options.engine.step_tokens;
  generate.num_candidates = tokenizer.vocab_size();
  generate.stop_tokens = chat_stop_tokens(place, spec, tokenizer, chat);
  generate.constraint = make_constraint(options.constraint, tokenizer, generate.stop_tokens);
  const model::LoadedModel loaded = load_model(ctx, place, spec, options.load);
  ChatSession session(ctx, *loaded.decoder, tokenizer, chat, std::move(generate), options.engine);
  session.set_stop(options.stop);
  session.set_drop_oldest(options.drop_oldest);
  if (!options.messages.empty()) load_chat(session, options.messages);
  if (app.count("--system") > 0) session.set_system(options.system);
  const bool at_terminal = isatty(STDIN_FILENO) == 1 && stdout_is_terminal();
  if (!options.messages.empty() && (!at_terminal || options.json)) {
    write_answer(options, session);
  } else if (at_terminal && !options.json) {
    run_chat_console(session, options.console);
  } else {
    answer_lines(options, session);
  }
  report_experts(loaded);
}

}  // namespace

void setup_chat(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "A model or run folder, or a .gguf file")
      ->type_name("MODEL")
      ->required();
  app.add_option("--system", options->system, "What the model is told before the conversation")
      ->type_name("TEXT");
  app.add_option("--chat-template", options->chat_template, chat_template_help())
      ->type_name("NAME");
  app.add_option("--messages", options->messages,
                 "Start from these: JSON, an array or an object with messages and tools. Without a "
                 "terminal, they get one answer")
      ->type_name("FILE");
  app.add_option("-n,--max-tokens", options->max_tokens, "Stop an answer after this many tokens")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
  add_stop_option(app, options->stop);
  app.add_flag("--drop-oldest", options->drop_oldest,
               "Forget the oldest turns when the context is full");
  app.add_flag("--verbose", options->console.verbose, "Tokens per second after each answer");
  app.add_flag("--show-prompt", options->console.show_prompt,
               "Show what the model is given, before each answer");
  app.add_option("--history", options->console.history_file,
                 "Keep what was typed in this file, for the arrow keys of the next time")
      ->type_name("FILE");
  add_model_options(app, options->load);
  add_constraint_options(app, options->constraint);
  add_fields(app, options->sampler, "Sampling");
  // Without a draft model nothing would read how much it guesses.
  std::vector<io::Field> engine = io::list_fields(options->engine);
  std::erase_if(engine, [](const io::Field& field) { return field.name == "draft_tokens"; });
  add_field_flags(app, engine, "Cache and passes");
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre chat model/ --system 'Answer in one sentence.'\n"
               "  cadre chat model/ --chat-template chatml --temperature 0 --verbose\n"
               "  echo 'What is a router?' | cadre chat model/\n"
               "  cadre chat model/ --json-schema schema.json --json-whitespace flexible\n"
               "  cadre chat model/ --messages conversation.json --json");
  app.callback([options, &app] { run(*options, app); });
}

}  // namespace cadre::cli
