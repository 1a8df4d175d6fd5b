#include "cli/command.h"

namespace cadre::cli {

void setup_tokenizer(CLI::App& app);

namespace {

constexpr Command kCommands[] = {
    {"tokenizer", "Train a tokenizer; encode and decode text", setup_tokenizer},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace cadre::cli
