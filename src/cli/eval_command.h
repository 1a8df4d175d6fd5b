// What `cadre eval` measures: one function for each subcommand, as in command.h.
#pragma once

namespace CLI {
class App;
}

namespace cadre::cli {

void setup_divergence(CLI::App& app);  // eval_divergence.cc
void setup_stream(CLI::App& app);      // eval_stream.cc

}  // namespace cadre::cli
