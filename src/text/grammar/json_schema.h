// JSON schemas as grammars: texts of JSON values that are valid under a schema.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/io/json_value.h"
#include "text/grammar/limits.h"

namespace cadre::text::grammar {

struct GrammarData;

enum class JsonWhitespace {
  compact,   // none between tokens, as {"a":1,"b":[2]}
  flexible,  // behind { [ , : and before } ]: nothing, a blank, or a line end and up to 20 blanks
};

struct JsonSchemaOptions {
  JsonWhitespace whitespace = JsonWhitespace::compact;
  // Objects that name their properties, and arrays that name their first items, have no others
  // unless the schema says so (additionalProperties, items), though the standard would let them.
  bool closed = true;
};

// A grammar whose texts are valid under the schema, draft 2020-12, as far as it is understood:
//
//   type  enum  const  anyOf  oneOf (as anyOf)  allOf  $ref (within the document)  $defs
//   properties  required  additionalProperties  patternProperties  minProperties  maxProperties
//   items  prefixItems  minItems  maxItems  minLength  maxLength  pattern  format
//   minimum  maximum  exclusiveMinimum  exclusiveMaximum  multipleOf
//
// Every text is valid, but where oneOf has alternatives that hold at the same time, and where
// additional properties repeat a name. Not every valid text is in the grammar: properties come in
// the order of the schema, others behind them; integers have no fraction; strings under `pattern`,
// `format` and names of properties are escaped only where they have to be; numbers have up to 18
// digits before the point, 18 behind it, and an exponent below 200 (none under minimum, maximum or
// multipleOf). Annotations are passed over (title, description, default, examples, $comment,
// readOnly, names that begin with x-, ...). Every other keyword is refused with Error(unsupported)
// that names it and its JSON pointer. A schema that nothing satisfies is Error(invalid_input).
GrammarData read_json_schema(std::string_view schema, std::string_view where,
                             const JsonSchemaOptions& options, const GrammarLimits& limits);

}  // namespace cadre::text::grammar
