// Strings and numbers of JSON schemas, and whether a value is valid under one.
#include <algorithm>

#include "core/base/error.h"
#include "text/grammar/pattern.h"
#include "text/grammar/schema_formats.h"
#include "text/grammar/schema_grammar.h"
#include "text/grammar/schema_numbers.h"
#include "text/utf8.h"

namespace cadre::text::grammar {
namespace {

using io::JsonValue;

int64_t characters(std::string_view text) {
  return std::ranges::count_if(text,
                               [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; });
}

bool is_whole(const JsonValue& value) {
  const auto decimal = decimal_of(value);
  return decimal && decimal->fraction.empty();
}

bool is_of_type(const JsonValue& value, std::string_view type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.get_if<bool>() != nullptr;
  if (type == "integer") return is_whole(value);
  if (type == "number") return decimal_of(value).has_value();
  if (type == "string") return value.get_if<std::string>() != nullptr;
  if (type == "array") return value.get_if<JsonValue::Array>() != nullptr;
  return value.get_if<JsonValue::Object>() != nullptr;
}

std::string text_of(const Decimal& number) {
  return (number.negative ? "-" : "") + number.whole +
         (number.fraction.empty() ? "" : "." + number.fraction);
}

}  // namespace

CharDfa SchemaGrammar::pattern(const Schema& schema, std::string_view text, bool whole) {
  return pattern_automaton(text, whole ? Anchoring::whole : Anchoring::search,
                           document_.place(schema), data_.limits, budget_);
}

bool SchemaGrammar::restricts_strings(const Schema& simple) const {
  return simple.find("pattern") != nullptr || simple.find("format") != nullptr ||
         simple.find(kAllPatterns) != nullptr;
}

CharDfa SchemaGrammar::string_automaton(const Schema& simple) {
  CharDfa result =
      counted(CharSet::all(), count(simple, "minLength", 0), count(simple, "maxLength", -1));
  const auto restrict_to = [&](const CharDfa& other) {
    result = intersection(result, other, data_.limits, budget_);
  };
  const auto text_at = [&](const JsonValue& value, std::string_view key) {
    const auto* text = value.get_if<std::string>();
    if (text == nullptr) document_.broken(simple, fmt::format("\"{}\" is no string", key));
    return *text;
  };
  if (const JsonValue* list = simple.find(kAllPatterns)) {
    for (const JsonValue& one : *list->get_if<JsonValue::Array>()) {
      restrict_to(pattern(simple, text_at(one, "pattern"), false));
    }
  } else if (const JsonValue* one = simple.find("pattern")) {
    restrict_to(pattern(simple, text_at(*one, "pattern"), false));
  }
  if (const JsonValue* format = simple.find("format")) {
    const std::string name = text_at(*format, "format");
    const std::string text = format_pattern(name);
    if (text.empty()) {
      document_.refuse(simple, fmt::format("the format \"{}\" is not supported, expected one of {}",
                                           name, format_names()));
    }
    restrict_to(pattern(simple, text, true));
  }
  return result;
}

int32_t SchemaGrammar::any_string() {
  if (string_ >= 0) return data_.call(string_);
  string_ = data_.add_rule("string");
  const int32_t expression = string({JsonValue::object(), ""});
  data_.rules[static_cast<size_t>(string_)].body = expression;
  return data_.call(string_);
}

int32_t SchemaGrammar::string(const Schema& simple) {
  const bool bounded = simple.find("minLength") != nullptr || simple.find("maxLength") != nullptr;
  if (restricts_strings(simple)) {
    CharDfa dfa = string_automaton(simple);
    if (dfa.accepts_nothing()) return nothing();
    return data_.sequence({data_.bytes("\""),
                           data_.automaton(std::move(dfa), Spelling::json_string),
                           data_.bytes("\"")});
  }
  if (!bounded && string_ >= 0 && data_.rules[static_cast<size_t>(string_)].body >= 0) {
    return data_.call(string_);
  }
  if (!bounded && string_ < 0) return any_string();
  const int64_t min = count(simple, "minLength", 0);
  const int64_t max = count(simple, "maxLength", -1);
  if (max >= 0 && max < min) return nothing();
  // One character: as it is, a letter behind a backslash, or its number in UTF-16.
  const CharSet hex({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  const CharSet low({{'0', '9'}, {'A', 'B'}, {'a', 'b'}});
  const auto set = [&](std::initializer_list<CharRange> ranges) {
    return data_.chars(CharSet(std::vector<CharRange>(ranges)));
  };
  const int32_t digit = data_.chars(hex);
  const int32_t no_surrogate = data_.choice(
      {data_.sequence({set({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}}),
                       data_.repeat(digit, 3, 3)}),
       data_.sequence(
           {set({{'D', 'D'}, {'d', 'd'}}), set({{'0', '7'}}), data_.repeat(digit, 2, 2)})});
  const int32_t pair =
      data_.sequence({set({{'D', 'D'}, {'d', 'd'}}), set({{'8', '9'}, {'A', 'B'}, {'a', 'b'}}),
                      data_.repeat(digit, 2, 2), data_.bytes("\\u"), set({{'D', 'D'}, {'d', 'd'}}),
                      set({{'C', 'F'}, {'c', 'f'}}), data_.repeat(digit, 2, 2)});
  const int32_t character = data_.choice(
      {set({{0x20, 0x21}, {0x23, 0x5b}, {0x5d, 0x10ffff}}),
       data_.sequence({data_.bytes("\\"),
                       data_.choice({set({{'"', '"'},
                                          {'\\', '\\'},
                                          {'/', '/'},
                                          {'b', 'b'},
                                          {'f', 'f'},
                                          {'n', 'n'},
                                          {'r', 'r'},
                                          {'t', 't'}}),
                                     data_.sequence({data_.bytes("u"),
                                                     data_.choice({no_surrogate, pair})})})})});
  return data_.sequence({data_.bytes("\""), data_.repeat(character, min, max), data_.bytes("\"")});
}

CharDfa SchemaGrammar::number_automaton_of(const Schema& simple, bool integer) {
  NumberBounds bounds;
  bounds.integer = integer;
  const auto bound = [&](std::string_view key) -> std::optional<Decimal> {
    const JsonValue* found = simple.find(key);
    if (found == nullptr) return std::nullopt;
    const auto decimal = decimal_of(*found);
    if (!decimal) document_.broken(simple, fmt::format("\"{}\" is no number", key));
    return decimal;
  };
  bounds.min = bound("minimum");
  bounds.max = bound("maximum");
  if (const auto above = bound("exclusiveMinimum");
      above && (!bounds.min || compare(*above, *bounds.min) >= 0)) {
    bounds.min = above;
    bounds.above_min = true;
  }
  if (const auto below = bound("exclusiveMaximum");
      below && (!bounds.max || compare(*below, *bounds.max) <= 0)) {
    bounds.max = below;
    bounds.below_max = true;
  }
  bounds.multiple_of = bound("multipleOf");
  if (bounds.multiple_of && (bounds.multiple_of->negative || bounds.multiple_of->is_zero())) {
    document_.broken(simple, "\"multipleOf\" is not above 0");
  }
  return number_automaton(bounds, document_.place(simple), data_.limits, budget_);
}

int32_t SchemaGrammar::number(const Schema& simple, bool integer) {
  CharDfa dfa = number_automaton_of(simple, integer);
  if (dfa.accepts_nothing()) return nothing();
  return data_.automaton(std::move(dfa), Spelling::plain);
}

bool SchemaGrammar::satisfies(const JsonValue& value, const Schema& schema) {
  budget_.spend(100);
  const Schema simple = document_.simplified(schema);
  if (simple.value.get_if<bool>() != nullptr) return simple.is(true);
  const std::vector<std::string> types = types_of(simple);
  if (std::ranges::none_of(types, [&](const std::string& t) { return is_of_type(value, t); })) {
    return false;
  }
  if (const JsonValue* list = simple.find("enum")) {
    const auto* values = list->get_if<JsonValue::Array>();
    if (values == nullptr) document_.broken(simple, "\"enum\" is no array");
    const auto same = [&](const JsonValue& other) {
      budget_.spend(100);
      return equal_values(value, other);
    };
    if (std::ranges::none_of(*values, same)) return false;
  }
  if (const JsonValue* list = simple.find("anyOf")) {
    const auto fits = [&](const JsonValue& one) { return satisfies(value, {one, simple.pointer}); };
    if (std::ranges::none_of(*list->get_if<JsonValue::Array>(), fits)) return false;
  }
  if (const auto number = decimal_of(value)) {
    for (const char* key :
         {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}) {
      if (simple.find(key) == nullptr) continue;
      return number_automaton_of(simple, false).matches(text_of(*number));
    }
  }
  if (const auto* text = value.get_if<std::string>()) {
    if (restricts_strings(simple)) return string_automaton(simple).matches(*text);
    const int64_t size = characters(*text);
    const int64_t max = count(simple, "maxLength", -1);
    return size >= count(simple, "minLength", 0) && (max < 0 || size <= max);
  }
  if (const auto* array = value.get_if<JsonValue::Array>()) {
    const auto size = static_cast<int64_t>(array->size());
    const int64_t max = count(simple, "maxItems", -1);
    if (size < count(simple, "minItems", 0) || (max >= 0 && size > max)) return false;
    const JsonValue* first = simple.find("prefixItems");
    const JsonValue* items = simple.find("items");
    for (size_t i = 0; i < array->size(); ++i) {
      const auto* named = first == nullptr ? nullptr : first->get_if<JsonValue::Array>();
      const JsonValue* item = named != nullptr && i < named->size() ? &(*named)[i] : items;
      if (item != nullptr && !satisfies((*array)[i], {*item, simple.pointer})) return false;
    }
  }
  if (const auto* object = value.get_if<JsonValue::Object>()) {
    for (const char* key : {"patternProperties", "minProperties", "maxProperties"}) {
      if (simple.find(key) != nullptr) {
        document_.refuse(simple, fmt::format("\"{}\" beside an enum of objects", key));
      }
    }
    for (const Member& member : named_members(simple)) {
      const JsonValue* found = value.find(member.name);
      if (found == nullptr && member.required) return false;
      if (found != nullptr && !satisfies(*found, {member.schema, simple.pointer})) return false;
    }
    const JsonValue* properties = simple.find("properties");
    const JsonValue* others = simple.find("additionalProperties");
    for (const auto& [name, member] : object->members) {
      if (others == nullptr || (properties != nullptr && properties->find(name) != nullptr))
        continue;
      if (!satisfies(member, {*others, simple.pointer})) return false;
    }
  }
  return true;
}

}  // namespace cadre::text::grammar
