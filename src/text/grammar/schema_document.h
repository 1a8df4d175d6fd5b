// JSON schemas before they become grammars: keywords checked, references followed, allOf merged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/json_value.h"

namespace cadre::text::grammar {

// A schema and where it stands, as a JSON pointer.
struct Schema {
  io::JsonValue value;  // true, false or an object
  std::string pointer;

  const io::JsonValue* find(std::string_view key) const { return value.find(key); }
  bool is(bool flag) const {
    const bool* found = value.get_if<bool>();
    return found != nullptr && *found == flag;
  }
};

// Keys that only merging writes: patterns that all have to match, and lists of alternatives of
// which each has to hold.
inline constexpr std::string_view kAllPatterns = "\x01patterns";

// The types of JSON schema in a fixed order.
inline constexpr std::string_view kSchemaTypes[] = {"null",   "boolean", "integer", "number",
                                                    "string", "array",   "object"};

class SchemaDocument {
 public:
  // Throws Error(invalid_input) for what is no JSON.
  SchemaDocument(std::string_view text, std::string_view where);

  Schema root() const { return {root_, ""}; }
  // The same constraints without $ref, allOf, oneOf, const and annotations: true, false, or an
  // object. Throws Error(unsupported) for a keyword that is not known, Error(invalid_input) for a
  // reference that leads nowhere or in a circle.
  Schema simplified(const Schema& schema) const { return simplified(schema, 0); }
  // If the schema is a reference and nothing else, what it refers to.
  bool is_reference(const Schema& schema, Schema& target) const;
  // Both hold.
  Schema merged(const Schema& a, const Schema& b) const { return merged(a, b, 0); }

  // "FILE: /properties/x", the beginning of messages.
  std::string place(const Schema& schema) const;
  [[noreturn]] void refuse(const Schema& schema, std::string_view message) const;
  [[noreturn]] void broken(const Schema& schema, std::string_view message) const;

 private:
  Schema simplified(const Schema& schema, int depth) const;
  Schema merged(const Schema& a, const Schema& b, int depth) const;
  Schema resolve(const Schema& from, const std::string& reference) const;
  void check_keywords(const Schema& schema) const;
  void check_depth(const Schema& schema, int depth) const;
  void merge_bounds(const Schema& a, const Schema& b, io::JsonValue& out) const;
  void merge_objects(const Schema& a, const Schema& b, io::JsonValue& out) const;
  void merge_arrays(const Schema& a, const Schema& b, io::JsonValue& out) const;

  io::JsonValue root_;
  std::string where_;
  mutable int64_t steps_ = 0;  // taken so far; references could double them again and again
};

// Whether two JSON values are equal: 1 and 1.0 are, and so are objects whatever their order.
bool equal_values(const io::JsonValue& a, const io::JsonValue& b);
// Two schemas in one: {"allOf": [a, b]}, or one of them if the other says nothing new.
io::JsonValue both(const io::JsonValue& a, const io::JsonValue& b);

}  // namespace cadre::text::grammar
