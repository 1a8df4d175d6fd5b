// What a text may be: a context-free grammar over bytes, from GBNF, a regular expression or a JSON
// schema.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "text/grammar/json_schema.h"
#include "text/grammar/limits.h"

namespace cadre::text {

namespace grammar {
struct GrammarData;
}

// Immutable and cheap to copy; threads may share it. `where` begins the messages of errors.
// Throws Error(invalid_input) for what cannot be read, with the place; Error(unsupported) for what
// is not supported, by name; Error(exhausted) beyond the limits.
class Grammar {
 public:
  // GBNF as llama.cpp has it (text/grammar/gbnf.h); the text is what the rule `root` stands for.
  static Grammar from_gbnf(std::string_view text, std::string_view where = "grammar",
                           const grammar::GrammarLimits& limits = {});
  // The whole text matches the expression (text/grammar/pattern.h).
  static Grammar from_regex(std::string_view pattern, std::string_view where = "regex",
                            const grammar::GrammarLimits& limits = {});
  // The text is a JSON value that is valid under the schema (text/grammar/json_schema.h).
  static Grammar from_json_schema(std::string_view schema, std::string_view where = "schema",
                                  const grammar::JsonSchemaOptions& options = {},
                                  const grammar::GrammarLimits& limits = {});
  // Any JSON value.
  static Grammar json(const grammar::JsonSchemaOptions& options = {});

  const grammar::GrammarData& data() const { return *data_; }

 private:
  explicit Grammar(grammar::GrammarData data);
  std::shared_ptr<const grammar::GrammarData> data_;
};

}  // namespace cadre::text
