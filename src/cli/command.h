// The subcommands of the program, as a plain list.
#pragma once

#include <span>
#include <string_view>

namespace CLI {
class App;
}

namespace cadre::cli {

// `setup` declares the flags on the app and registers, as the app's callback, what runs once all
// arguments have been understood. What the callback throws becomes a message and an exit code.
struct Command {
  std::string_view name;
  std::string_view summary;  // one line of the program's help
  void (*setup)(CLI::App& app);
};

// In the order of a model's life. Each setup function stands in NAME_command.cc.
std::span<const Command> commands();

// Understands the arguments, runs the command and returns the exit code of the process. Never
// throws; errors are written to standard error as `cadre: error: ...`.
int run_program(int argc, const char* const* argv);

}  // namespace cadre::cli
