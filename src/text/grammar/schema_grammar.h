// The maker of a grammar from a JSON schema.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/expression.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/schema_document.h"

namespace cadre::text::grammar {

// One rule for each schema that occurs, found again by its text, so that schemas that refer to
// themselves come to an end. For one use.
class SchemaGrammar {
 public:
  SchemaGrammar(std::string_view schema, std::string_view where, const JsonSchemaOptions& options,
                const GrammarLimits& limits);
  GrammarData make();

 private:
  // Indices of expressions that stand for the JSON texts of values.
  int32_t value(Schema schema);
  int32_t body(const Schema& schema);
  int32_t of_type(const Schema& simple, std::string_view type);
  int32_t listed(const Schema& simple);
  int32_t any_value();
  int32_t any_string();
  int32_t string(const Schema& simple);
  int32_t number(const Schema& simple, bool integer);
  int32_t array(const Schema& simple);
  int32_t object(const Schema& simple);

  // --- strings and numbers as automata (schema_scalars.cc)
  bool restricts_strings(const Schema& simple) const;
  CharDfa string_automaton(const Schema& simple);
  CharDfa number_automaton_of(const Schema& simple, bool integer);
  // Whether the value is valid under the schema.
  bool satisfies(const io::JsonValue& value, const Schema& schema);

  // --- objects (schema_objects.cc)
  struct Member {
    std::string name;
    io::JsonValue schema;
    bool required = false;
  };
  struct OtherMembers {
    CharDfa names;
    bool any_name = false;  // then `names` is not used
    io::JsonValue schema;
  };
  std::vector<Member> named_members(const Schema& simple);
  std::vector<OtherMembers> other_members(const Schema& simple, const std::vector<Member>& named);
  std::vector<std::pair<CharDfa, io::JsonValue>> pattern_members(const Schema& simple);
  io::JsonValue additional_members(const Schema& simple, size_t named);

  // --- keywords
  std::vector<std::string> types_of(const Schema& simple) const;
  // A count such as minItems; `otherwise` if absent.
  int64_t count(const Schema& simple, std::string_view key, int64_t otherwise) const;
  Schema part(const Schema& schema, const io::JsonValue& value, const std::string& way) const;
  CharDfa pattern(const Schema& schema, std::string_view text, bool whole);

  int32_t nothing() { return data_.choice({}); }
  int32_t space();  // where white space may stand, -1 where it may not
  void add_space(std::vector<int32_t>& parts);

  GrammarData data_;
  SchemaDocument document_;
  JsonSchemaOptions options_;
  WorkBudget budget_;
  std::map<std::string, int32_t> rules_;  // by the schema's text
  int32_t any_ = -1;
  int32_t string_ = -1;
  int64_t depth_ = 0;
};

// The text in quotes, escaped only where JSON demands it, with a letter if there is one.
std::string quoted_json(std::string_view text);
// The value without any white space.
std::string compact_json(const io::JsonValue& value);

}  // namespace cadre::text::grammar
