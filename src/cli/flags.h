// Command-line flags from the list of fields of a configuration struct.
//
//   infer::SamplerOptions sampler;
//   add_fields(app, sampler, "Sampling");     // --temperature, --top-k, --top-p, --seed
//
// A field `top_k` becomes the flag `--top-k`. A flag that is not given leaves the field alone; of
// one that is given twice, the last counts. The struct must live until the command has run. Text is
// read and checked by io::set_field_from_text, so a flag takes the values that a configuration file
// would, and refuses the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/io/fields_io.h"

namespace CLI {
class App;
}

namespace cadre::cli {

// `group` is the heading of the help under which the flags stand; empty for the common one. The
// section of a field's name ("optim.lr") is not part of its flag.
// `prefix`, if not empty, stands before each flag: "router" makes kind the flag --router-kind.
void add_field_flags(CLI::App& app, const std::vector<io::Field>& fields, const std::string& group,
                     const std::string& prefix = "");

template <typename Settings>
void add_fields(CLI::App& app, Settings& settings, const std::string& group = "") {
  add_field_flags(app, io::list_fields(settings), group);
}

// "optim.top_k" -> "--top-k".
std::string flag_name(std::string_view field);

// The lines shown after the help: one command each, indented by two spaces.
void add_examples(CLI::App& app, std::string_view examples);

// --json, for what a program may want to read.
void add_json_flag(CLI::App& app, bool& json);

}  // namespace cadre::cli
