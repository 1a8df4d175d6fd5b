// JSON schemas, compiled and walked.
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grammar_walk.h"

namespace cadre::fuzz {

void read_input(std::string_view bytes) {
  text::grammar::JsonSchemaOptions options;
  if (bytes.size() % 2 == 0) options.whitespace = text::grammar::JsonWhitespace::flexible;
  walk_grammar(text::Grammar::from_json_schema(bytes, "schema", options, kGrammarLimits));
}

std::vector<std::string> seeds() {
  return {
      R"({"type": "object", "properties": {"a": {"type": "integer", "minimum": -3, "maximum": 120},
 "b": {"enum": [1, "x", null]}}, "required": ["b"], "additionalProperties": {"type": "boolean"}})",
      R"({"$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}, "maxItems": 3}},
 "anyOf": [{"$ref": "#/$defs/t"}, {"type": "string", "pattern": "^a+$", "maxLength": 5}]})",
      R"({"allOf": [{"type": ["number", "string"], "multipleOf": 0.5}, {"exclusiveMaximum": 7}],
 "oneOf": [{"minimum": 1.25}, {"const": "e"}]})",
      R"({"type": ["number", "integer"], "multipleOf": 2.5e-1, "minimum": 0})",
      R"({"patternProperties": {"^x": {"type": "null"}}, "minProperties": 1, "maxProperties": 2,
 "prefixItems": [true, {"format": "date"}], "minLength": 2})",
  };
}

}  // namespace cadre::fuzz
