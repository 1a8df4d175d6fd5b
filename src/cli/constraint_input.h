// Flags for what a text has to be: a JSON schema, a regular expression or a grammar.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "infer/constraint.h"
#include "text/tokenizer.h"

namespace CLI {
class App;
}

namespace cadre::cli {

struct ConstraintOptions {
  std::string json_schema;  // a file, or the schema itself
  std::string whitespace = "compact";
  bool open = false;
  std::string regex;
  std::string grammar;  // a file

  bool asked() const { return !json_schema.empty() || !regex.empty() || !grammar.empty(); }
};

// --json-schema, --json-whitespace, --json-open, --regex and --grammar, of which one can be given.
void add_constraint_options(CLI::App& app, ConstraintOptions& options);

// What the options ask for; null if nothing. Ends of the text are the stop tokens.
std::shared_ptr<const infer::Constraint> make_constraint(const ConstraintOptions& options,
                                                         const text::Tokenizer& tokenizer,
                                                         const std::vector<int32_t>& stop_tokens);

}  // namespace cadre::cli
