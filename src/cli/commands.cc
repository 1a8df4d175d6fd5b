#include "cli/command.h"

namespace cadre::cli {

// One for each NAME_command.cc.
void setup_quickstart(CLI::App& app);
void setup_tokenizer(CLI::App& app);
void setup_data(CLI::App& app);
void setup_train(CLI::App& app);
void setup_report(CLI::App& app);
void setup_eval(CLI::App& app);
void setup_generate(CLI::App& app);
void setup_chat(CLI::App& app);
void setup_logits(CLI::App& app);
void setup_convert(CLI::App& app);
void setup_quantise(CLI::App& app);
void setup_info(CLI::App& app);
void setup_bench(CLI::App& app);

namespace {

constexpr Command kCommands[] = {
    {"quickstart", "Train a small model on text of this machine, in minutes", setup_quickstart},
    {"tokenizer", "Train a tokenizer; encode and decode text", setup_tokenizer},
    {"data", "Tokenise text into a dataset", setup_data},
    {"train", "Train a model on a dataset", setup_train},
    {"report", "Compare training runs on one page", setup_report},
    {"eval", "Measure how good a model is", setup_eval},
    {"generate", "Let a model go on with a text", setup_generate},
    {"chat", "Talk with a model in the terminal, or answer messages from a pipe", setup_chat},
    {"logits", "What a model computes for given tokens, as a file", setup_logits},
    {"convert", "Write a model in another format or element type", setup_convert},
    {"quantise", "Write a model in fewer bits, weighed by what a text asks of it", setup_quantise},
    {"info", "Size and cost of a model from its configuration", setup_info},
    {"bench", "Speed of this machine, as a share of its limits", setup_bench},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace cadre::cli
