// Flags and inputs that commands on models share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/ops/context.h"
#include "model/spec.h"
#include "model/stored_model.h"

namespace CLI {
class App;
}

namespace cadre::cli {

// `place` itself if it is a model in one of the formats of model/format.h, or `latest` inside the
// folder of a training run. Throws Error(not_found) naming what was looked for.
std::filesystem::path find_model(const std::filesystem::path& place);

// Throws Error(invalid_input) if the output is the model or a folder that holds it: a model is read
// while the output grows, and what the output replaces is removed. Likewise if it is a folder with
// other things than a model in it, which no --force replaces.
void expect_outside(const std::filesystem::path& model, const std::filesystem::path& output);

// Where the model departs from its configuration, a line each to standard error.
void print_notes(const model::ModelSpec& spec);

// --stop TEXT, repeated for several.
void add_stop_option(CLI::App& app, std::vector<std::string>& stop);

// --dtype auto|f32|bf16, the type of activations and of dense weights; --weights, how matrices are
// held (model/stored_model.h).
struct ModelOptions {
  std::string dtype = "auto";
  std::string weights = "stored";
  int64_t active_experts = 0;     // --active-experts: of each token; 0 is as trained
  double expert_threshold = 0.0;  // --expert-threshold: see nn::RoutingControl
  bool drop_cache = false;        // of model::LoadOptions; a flag of bench alone
  int64_t memory = 0;  // --memory: the most that weights may take, in bytes; 0 is no limit
};
void add_model_options(CLI::App& app, ModelOptions& options);
// Throws Error(invalid_input) for an unknown word, naming those there are.
model::LoadOptions load_options(const ModelOptions& options, const std::filesystem::path& place,
                                const model::ModelSpec& spec);
model::LoadedModel load_model(Context& ctx, const std::filesystem::path& place,
                              const model::ModelSpec& spec, const ModelOptions& options);

// Ids separated by commas or blanks. Throws Error(invalid_input), naming the piece.
std::vector<int32_t> parse_token_ids(const std::string& text);

// The prompt if it was given, else the content of the file, else standard input.
std::string prompt_text(const std::string& prompt, const std::string& file, bool given);

}  // namespace cadre::cli
