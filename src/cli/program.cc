// From argv to an exit code: the one place where errors become messages.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <exception>
#include <filesystem>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/base/fields.h"

namespace cadre::cli {
namespace {

int report(ErrorKind kind, std::string_view message) {
  print_error(fmt::format("cadre: error: {}", message));
  return exit_code(kind);
}

// The subcommand, as deep as the arguments were understood.
CLI::App* deepest(CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

// "cadre tokenizer train".
std::string full_name(const CLI::App* app) {
  std::string name = app->get_name();
  for (app = app->get_parent(); app != nullptr; app = app->get_parent()) {
    name = app->get_name() + " " + name;
  }
  return name;
}

std::vector<std::string> flags_of(CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> subcommands_of(CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app->get_subcommands([](CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  return names;
}

// Options that users of llama.cpp look for and what takes their place here.
std::string_view known_elsewhere(std::string_view option) {
  struct Option {
    std::string_view name;
    std::string_view here;
  };
  constexpr std::string_view kModel = "the model is the first argument";
  constexpr std::string_view kContext = "the context is as long as the model's";
  constexpr std::string_view kDevice = "all layers run on the processor";
  constexpr std::string_view kAttention = "attention is always computed in tiles";
  constexpr std::string_view kBatch = "--prefill-chunk says how much of a prompt is read at a time";
  constexpr Option kOptions[] = {{"-m", kModel},
                                 {"--model", kModel},
                                 {"-c", kContext},
                                 {"--ctx-size", kContext},
                                 {"-ngl", kDevice},
                                 {"--n-gpu-layers", kDevice},
                                 {"--gpu-layers", kDevice},
                                 {"-fa", kAttention},
                                 {"--flash-attn", kAttention},
                                 {"-ub", kBatch},
                                 {"-b", kBatch},
                                 {"--batch-size", kBatch},
                                 {"--ubatch-size", kBatch},
                                 {"--grammar-file", "--grammar takes a file"}};
  for (const Option& known : kOptions) {
    if (known.name == option) return known.here;
  }
  return "";
}

// "-ngl 99" is read as -n with the value "gl", which leaves "99": the option is what was meant.
std::string meant_by(const std::string& extra, const std::vector<std::string_view>& arguments) {
  const auto found = std::find(arguments.begin(), arguments.end(), extra);
  if (extra.starts_with('-') || found == arguments.end() || found == arguments.begin()) {
    return extra;
  }
  const std::string_view before = *(found - 1);
  const bool joined = before.size() > 2 && before[0] == '-' && before[1] != '-';
  return joined ? std::string(before) : extra;
}

// What CLI11 could not place, with the nearest thing it could have placed.
int report_misuse(CLI::App* root, const CLI::ParseError& error,
                  const std::vector<std::string_view>& arguments) {
  CLI::App* app = deepest(root);
  const std::vector<std::string> extras = app->remaining();
  const std::string see_help = fmt::format("see {} --help", full_name(app));
  if (extras.empty()) {
    return report(ErrorKind::invalid_input, fmt::format("{}; {}", error.what(), see_help));
  }
  std::string unknown = meant_by(extras.front(), arguments);
  const bool is_flag = unknown.size() > 1 && unknown[0] == '-';
  if (is_flag) unknown = unknown.substr(0, unknown.find('='));
  const std::vector<std::string> known = is_flag ? flags_of(app) : subcommands_of(app);
  const std::string near = near_name(unknown, known);
  std::string hint;
  if (const std::string_view here = known_elsewhere(unknown); is_flag && !here.empty()) {
    hint = fmt::format("{}; ", here);
  } else if (!near.empty()) {
    hint = fmt::format("did you mean \"{}\"? ", near);
  }
  const char* const what = is_flag ? "option" : known.empty() ? "argument" : "command";
  return report(ErrorKind::invalid_input, fmt::format("{}: unknown {} \"{}\"; {}{}", full_name(app),
                                                      what, unknown, hint, see_help));
}

void declare(CLI::App& root) {
  root.name("cadre");
  root.description("Mixture-of-experts language models: from a folder of text to a trained model");
  root.set_version_flag("--version", "cadre " CADRE_VERSION);
  root.set_help_flag("-h,--help", "Print this help");
  root.require_subcommand(0, 1);
  root.footer(
      "cadre COMMAND --help tells more. Exit codes: 0 done, 2 wrong use, 3 not found,\n"
      "4 damaged data, 5 not supported, 6 out of memory or disk, 70 a bug of ours.");
  root.get_formatter()->column_width(34);
  for (const Command& command : commands()) {
    CLI::App* sub = root.add_subcommand(std::string(command.name), std::string(command.summary));
    command.setup(*sub);
    if (command.name == "quantise") sub->alias("quantize");
  }
}

int run_guarded(CLI::App& root, int argc, const char* const* argv) {
  declare(root);
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help and --version
    std::ostringstream text;
    const int code = root.exit(asked, text, text);
    print_text(text.str());
    flush_output();
    return code;
  } catch (const CLI::ParseError& error) {
    return report_misuse(&root, error, {argv + 1, argv + argc});
  }
  if (root.get_subcommands().empty()) print_text(root.help());
  flush_output();
  return 0;
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  // A reader that has gone is told by write(), where it can be handled.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    CLI::App root;
    return run_guarded(root, argc, argv);
  } catch (const OutputClosed&) {
    return 0;
  } catch (const Interrupted& interrupted) {
    constexpr int kSignalBase = 128;
    return kSignalBase + interrupted.signal;
  } catch (const Error& error) {
    return report(error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    return report(ErrorKind::exhausted, "out of memory");
  } catch (const std::filesystem::filesystem_error& error) {
    const bool absent = error.code() == std::errc::no_such_file_or_directory;
    const bool full = error.code() == std::errc::no_space_on_device;
    return report(absent ? ErrorKind::not_found
                  : full ? ErrorKind::exhausted
                         : ErrorKind::invalid_input,
                  fmt::format("{}: {}", error.path1().string(), error.code().message()));
  } catch (const std::exception& error) {
    return report(ErrorKind::internal, error.what());
  }
}

}  // namespace cadre::cli
