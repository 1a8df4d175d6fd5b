#include "cli/chat_console.h"

#include <algorithm>
#include <array>
#include <utility>

#include "cli/chat_input.h"
#include "cli/line_editor.h"
#include "cli/stop_signals.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/fields_io.h"
#include "core/io/json.h"

namespace cadre::cli {
namespace {

class Console {
 public:
  Console(ChatSession& session, const ChatConsoleOptions& options)
      : session_(session), options_(options), editor_(options.history_file) {}

  void run() {
    print("/help lists commands. Ctrl-C stops an answer, Ctrl-D leaves.\n");
    for (;;) {
      flush_output();
      const std::optional<std::string> message = read();
      if (!message) break;
      if (message->find_first_not_of(" \t\n") == std::string::npos) continue;
      interrupted_before_ = false;
      editor_.remember(*message);
      if (message->starts_with('/') && !message->starts_with("//")) {
        if (!command(*message)) break;
        continue;
      }
      say(message->starts_with("//") ? message->substr(1) : *message);
    }
  }

 private:
  struct Command {
    std::string_view name;
    std::string_view arguments;
    std::string_view help;
    void (Console::*run)(const std::string& argument);
  };

  // A message; nothing when the user leaves.
  std::optional<std::string> read() {
    for (;;) {
      LineEditor::End end = LineEditor::End::line;
      const auto message = read_message([&](bool first) -> std::optional<std::string> {
        std::string line;
        end = editor_.read(first ? "> " : ". ", line);
        if (end != LineEditor::End::line) return std::nullopt;
        return line;
      });
      if (end == LineEditor::End::line) return message;
      print("\n");
      if (end == LineEditor::End::closed || interrupted_before_) return std::nullopt;
      interrupted_before_ = true;
      print("Ctrl-C again leaves.\n");
      flush_output();
    }
  }

  void say(const std::string& text) {
    session_.add("user", text);
    if (!respond()) session_.undo();
  }

  // False if there was no answer.
  bool respond() {
    try {
      const InterruptSignal interrupt;
      if (options_.show_prompt) {
        print("{}\n---\n", session_.prompt());
        flush_output();
      }
      std::string last;
      const ChatAnswer answer = session_.answer(
          [&](std::string_view piece) {
            print_text(piece);
            flush_output();
            last = piece;
          },
          [&] { return !interrupt.requested(); });
      if (!last.ends_with('\n')) print("\n");
      tell(answer);
      return true;
    } catch (const Error& error) {
      print("\n");
      flush_output();
      print_error(fmt::format("cadre: error: {}", error.what()));
      if (error.kind() == ErrorKind::exhausted) {
        print_error(
            "/clear starts over, /undo takes back a turn; --drop-oldest forgets the oldest");
      }
      return false;
    }
  }

  void tell(const ChatAnswer& answer) {
    flush_output();
    if (answer.dropped_turns > 0) {
      print_error(fmt::format("(the oldest {} turns no longer fit and are forgotten)",
                              answer.dropped_turns));
    }
    if (answer.result.reason == infer::StopReason::cancelled) print_error("(stopped)");
    if (answer.result.reason == infer::StopReason::max_tokens) {
      print_error("(--max-tokens reached)");
    }
    if (answer.result.reason == infer::StopReason::context_full) {
      print_error("(the context is full: /clear starts over)");
    }
    if (options_.verbose) print_error("(" + chat_speed(answer) + ")");
  }

  // --- commands; false leaves
  bool command(const std::string& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(1, space - 1);
    const size_t begin = std::min(line.find_first_not_of(' ', space), line.size());
    if (name == "exit" || name == "quit") return false;
    for (const Command& known : kCommands) {
      if (known.name != name) continue;
      try {
        (this->*known.run)(line.substr(begin));
      } catch (const Error& error) {
        print_error(fmt::format("cadre: error: {}", error.what()));
      }
      return true;
    }
    std::vector<std::string> names = {"exit", "quit"};
    for (const Command& known : kCommands) names.emplace_back(known.name);
    print_error(
        fmt::format("unknown command /{}; did you mean /{}? /help lists all, and //{} sends it",
                    name, nearest_name(name, names), name));
    return true;
  }

  void help(const std::string&) {
    for (const Command& known : kCommands) {
      print("  {:<24} {}\n", fmt::format("/{} {}", known.name, known.arguments), known.help);
    }
    print("  {:<24} leave, as Ctrl-D does\n", "/exit, /quit");
    print(
        "A line that ends in \\ goes on in the next; lines between \"\"\" and \"\"\" are one "
        "message.\n");
  }

  void clear(const std::string&) {
    session_.clear();
    print_error("(a new conversation)");
  }

  void system(const std::string& text) {
    if (text.empty()) {
      const std::string now = session_.system();
      print("{}\n", now.empty() ? "(no system prompt)" : now);
      return;
    }
    session_.set_system(text == "none" ? "" : text);
    session_.clear();
    print_error("(a new conversation, with this system prompt)");
  }

  void save(const std::string& file) {
    if (file.empty()) fail(ErrorKind::invalid_input, "/save needs the name of a file");
    io::JsonValue document = io::JsonValue::object();
    document.set("messages", io::JsonValue(session_.messages()));
    if (!session_.tools().is_null()) document.set("tools", session_.tools());
    write_file_atomically(file, document.pretty() + "\n");
    print_error(fmt::format("({} messages saved)", session_.messages().size()));
  }

  void load(const std::string& file) {
    if (file.empty()) fail(ErrorKind::invalid_input, "/load needs the name of a file");
    load_chat(session_, file);
    print_error(fmt::format("({} messages loaded)", session_.messages().size()));
  }

  void undo(const std::string&) {
    const auto text = session_.undo();
    print_error(text ? fmt::format("(taken back: {})", *text) : "(there is nothing to take back)");
  }

  void regenerate(const std::string&) {
    io::JsonValue::Array before = session_.messages();
    if (!session_.undo_answer()) {
      print_error("(there is nothing to answer)");
      return;
    }
    // The same seed would give the same answer.
    ++session_.sampler().seed;
    if (!respond()) session_.restore(std::move(before));
  }

  void params(const std::string& argument) {
    const auto fields = io::list_fields(session_.sampler());
    if (!argument.empty()) {
      const size_t space = argument.find_first_of(" =");
      std::string name = argument.substr(0, space);
      std::ranges::replace(name, '-', '_');
      const io::Field* field = io::find_field(fields, name);
      if (field == nullptr) {
        std::vector<std::string> names;
        for (const io::Field& known : fields) names.push_back(known.name);
        fail_unknown_key("/params", name, names);
      }
      if (space != std::string::npos) {
        io::set_field_from_text(*field, argument.substr(space + 1), "/params");
      }
    }
    print_text(io::fields_to_toml(fields));
  }

  void show(const std::string&) { print("{}\n", session_.prompt()); }

  static const std::array<Command, 10> kCommands;

  ChatSession& session_;
  const ChatConsoleOptions& options_;
  LineEditor editor_;
  bool interrupted_before_ = false;
};

const std::array<Console::Command, 10> Console::kCommands = {{
    {"help", "", "this list", &Console::help},
    {"clear", "", "forget the conversation", &Console::clear},
    {"reset", "", "the same", &Console::clear},
    {"system", "[TEXT]", "show the system prompt, or start over with another (none: without)",
     &Console::system},
    {"regenerate", "", "another answer to the last message", &Console::regenerate},
    {"undo", "", "take back the last message and its answer", &Console::undo},
    {"params", "[NAME VALUE]", "show sampling parameters, or change one", &Console::params},
    {"save", "FILE", "write the conversation as JSON", &Console::save},
    {"load", "FILE", "go on with a conversation from a file", &Console::load},
    {"prompt", "", "show what the model would be given", &Console::show},
}};

}  // namespace

void run_chat_console(ChatSession& session, const ChatConsoleOptions& options) {
  Console(session, options).run();
}

std::string chat_speed(const ChatAnswer& answer) {
  const auto rate = [](int64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  const infer::GenerateResult& result = answer.result;
  const int64_t read = answer.prompt_tokens - result.reused_tokens;
  const auto written = static_cast<int64_t>(result.tokens.size());
  return fmt::format(
      "{} of {} prompt tokens read at {:.0f} tokens/s, {} written at {:.1f} tokens/s", read,
      answer.prompt_tokens, rate(read, result.prefill_seconds), written,
      rate(written, result.decode_seconds));
}

io::JsonValue chat_answer_json(const ChatAnswer& answer) {
  io::JsonValue json = text::chat_message("assistant", answer.text);
  json.set("stop_reason", infer::stop_reason_name(answer.result.reason))
      .set("prompt_tokens", answer.prompt_tokens)
      .set("reused_tokens", answer.result.reused_tokens)
      .set("tokens", answer.result.tokens.size())
      .set("dropped_turns", answer.dropped_turns)
      .set("prefill_seconds", answer.result.prefill_seconds)
      .set("decode_seconds", answer.result.decode_seconds);
  return json;
}

void load_chat(ChatSession& session, const std::string& file) {
  const io::JsonView root = io::JsonView::read_file(file);
  if (root.value().get_if<io::JsonValue::Array>() != nullptr) {
    session.set_messages(root.value());
    session.set_tools({});
    return;
  }
  root.expect_keys({"messages", "tools"});
  io::JsonValue tools;
  if (!root.is_null("tools")) tools = root.array("tools").value();
  session.set_messages(root.array("messages").value());
  session.set_tools(std::move(tools));
}

}  // namespace cadre::cli
