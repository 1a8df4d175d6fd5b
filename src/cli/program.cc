// From argv to an exit code: the one place where errors become messages.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <filesystem>
#include <new>
#include <sstream>
#include <string>
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

// What CLI11 could not place, with the nearest thing it could have placed.
int report_misuse(CLI::App* root, const CLI::ParseError& error) {
  CLI::App* app = deepest(root);
  const std::vector<std::string> extras = app->remaining();
  const std::string see_help = fmt::format("see {} --help", full_name(app));
  if (extras.empty()) {
    return report(ErrorKind::invalid_input, fmt::format("{}; {}", error.what(), see_help));
  }
  std::string unknown = extras.front();
  const bool is_flag = unknown.size() > 1 && unknown[0] == '-';
  if (is_flag) unknown = unknown.substr(0, unknown.find('='));
  const std::vector<std::string> known = is_flag ? flags_of(app) : subcommands_of(app);
  const std::string nearest = nearest_name(unknown, known);
  return report(
      ErrorKind::invalid_input,
      fmt::format("{}: unknown {} \"{}\"; {}{}", full_name(app),
                  is_flag         ? "option"
                  : known.empty() ? "argument"
                                  : "command",
                  unknown, nearest.empty() ? "" : fmt::format("did you mean \"{}\"? ", nearest),
                  see_help));
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
    return report_misuse(&root, error);
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
