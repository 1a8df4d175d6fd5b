#include "text/grammar/grammar.h"

#include "core/base/error.h"
#include "text/grammar/expression.h"
#include "text/grammar/gbnf.h"
#include "text/grammar/pattern.h"

namespace cadre::text {
namespace {

void check_size(std::string_view text, std::string_view where,
                const grammar::GrammarLimits& limits) {
  if (static_cast<int64_t>(text.size()) > limits.max_bytes) {
    fail(ErrorKind::exhausted, "{}: has {} bytes, expected at most {}", where, text.size(),
         limits.max_bytes);
  }
}

}  // namespace

Grammar::Grammar(grammar::GrammarData data)
    : data_(std::make_shared<const grammar::GrammarData>(std::move(data))) {}

Grammar Grammar::from_gbnf(std::string_view text, std::string_view where,
                           const grammar::GrammarLimits& limits) {
  check_size(text, where, limits);
  return Grammar(grammar::parse_gbnf(text, where, limits));
}

Grammar Grammar::from_regex(std::string_view pattern, std::string_view where,
                            const grammar::GrammarLimits& limits) {
  check_size(pattern, where, limits);
  grammar::GrammarData data{.limits = limits, .where = std::string(where)};
  grammar::WorkBudget budget(limits.max_work, where);
  grammar::CharDfa dfa =
      grammar::pattern_automaton(pattern, grammar::Anchoring::whole, where, limits, budget);
  if (dfa.accepts_nothing()) {
    fail(ErrorKind::invalid_input, "{}: no text matches \"{}\"", where, pattern);
  }
  data.root = data.add_rule("root", data.automaton(std::move(dfa), grammar::Spelling::plain));
  return Grammar(std::move(data));
}

Grammar Grammar::from_json_schema(std::string_view schema, std::string_view where,
                                  const grammar::JsonSchemaOptions& options,
                                  const grammar::GrammarLimits& limits) {
  check_size(schema, where, limits);
  return Grammar(grammar::read_json_schema(schema, where, options, limits));
}

Grammar Grammar::json(const grammar::JsonSchemaOptions& options) {
  return from_json_schema("true", "JSON", options);
}

}  // namespace cadre::text
