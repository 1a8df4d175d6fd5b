// Where commands find the things that people name loosely.
#pragma once

#include <filesystem>
#include <string>

#include "infer/sampler_options.h"
#include "text/tokenizer.h"

namespace cadre::cli {

// All of standard input. Throws Error(invalid_input) if that is a terminal, where somebody has
// forgotten an argument, or beyond 4 GiB.
std::string read_standard_input();

// The text of a file; of standard input if its name is -.
std::string read_text_input(const std::string& file);

// The tokenizer in a file (also of GGUF), or in a folder that holds a tokenizer.json or
// tokenizer.model (a model, or a run and its latest checkpoint). Throws Error(not_found) naming the
// places that were looked at.
text::Tokenizer load_tokenizer(const std::filesystem::path& place);
// Whether the model at that place has one.
bool has_tokenizer(const std::filesystem::path& model);

// Draws a seed in place of -1, and says on standard error which.
void draw_seed(infer::SamplerOptions& sampler);

}  // namespace cadre::cli
