#include "text/grammar/json_schema.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "text/grammar/schema_grammar.h"

namespace cadre::text::grammar {

using io::JsonValue;

GrammarData read_json_schema(std::string_view schema, std::string_view where,
                             const JsonSchemaOptions& options, const GrammarLimits& limits) {
  return SchemaGrammar(schema, where, options, limits).make();
}

std::string quoted_json(std::string_view text) {
  constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  std::string out = "\"";
  for (const char c : text) {
    const size_t letter = kEscaped.find(c);
    if (letter != std::string_view::npos) {
      out += {'\\', kLetters[letter]};
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string compact_json(const JsonValue& value) {
  std::string out;
  if (const auto* array = value.get_if<JsonValue::Array>()) {
    for (const JsonValue& element : *array)
      out += (out.empty() ? "[" : ",") + compact_json(element);
    return (out.empty() ? "[" : out) + "]";
  }
  if (const auto* object = value.get_if<JsonValue::Object>()) {
    for (const auto& [name, member] : object->members) {
      out += (out.empty() ? "{" : ",") + quoted_json(name) + ":" + compact_json(member);
    }
    return (out.empty() ? "{" : out) + "}";
  }
  if (const auto* text = value.get_if<std::string>()) return quoted_json(*text);
  const auto* number = value.get_if<double>();
  if (number != nullptr && std::fabs(*number) < 1e15 && std::trunc(*number) == *number) {
    return std::to_string(static_cast<int64_t>(*number));  // 2.0 is 2
  }
  return value.dump();
}

SchemaGrammar::SchemaGrammar(std::string_view schema, std::string_view where,
                             const JsonSchemaOptions& options, const GrammarLimits& limits)
    : data_{.limits = limits, .where = std::string(where)},
      document_(schema, where),
      options_(options),
      budget_(limits.max_work, where) {}

GrammarData SchemaGrammar::make() {
  const int32_t root = value(document_.root());
  data_.root = data_.add_rule("root", root);
  return std::move(data_);
}

Schema SchemaGrammar::part(const Schema& schema, const JsonValue& found,
                           const std::string& way) const {
  return {found, schema.pointer + "/" + way};
}

int64_t SchemaGrammar::count(const Schema& simple, std::string_view key, int64_t otherwise) const {
  const JsonValue* found = simple.find(key);
  if (found == nullptr) return otherwise;
  int64_t value = -1;
  if (const auto* integer = found->get_if<int64_t>()) value = *integer;
  if (const auto* number = found->get_if<double>()) {
    if (*number >= 0 && *number < 1e15 &&
        static_cast<double>(static_cast<int64_t>(*number)) == *number) {
      value = static_cast<int64_t>(*number);
    }
  }
  if (value < 0) {
    document_.broken(simple, fmt::format("\"{}\" is {}, expected a whole number from 0", key,
                                         found->dump().substr(0, 60)));
  }
  if (value > data_.limits.max_repeat) {
    fail(ErrorKind::exhausted, "{}: \"{}\" is {}, expected at most {}", document_.place(simple),
         key, value, data_.limits.max_repeat);
  }
  return value;
}

std::vector<std::string> SchemaGrammar::types_of(const Schema& simple) const {
  std::vector<std::string> types;
  const JsonValue* type = simple.find("type");
  if (type == nullptr) {
    for (const std::string_view name : kSchemaTypes) types.emplace_back(name);
  } else if (const auto* text = type->get_if<std::string>()) {
    types.push_back(*text);
  } else if (const auto* list = type->get_if<JsonValue::Array>()) {
    for (const JsonValue& entry : *list) {
      const auto* name = entry.get_if<std::string>();
      types.push_back(name == nullptr ? entry.dump() : *name);
    }
  } else {
    document_.broken(
        simple, fmt::format("\"type\" is {}, expected a name or an array of names", type->kind()));
  }
  for (const std::string& name : types) {
    if (std::ranges::find(kSchemaTypes, name) == std::end(kSchemaTypes)) {
      document_.broken(simple, fmt::format("\"type\" is \"{}\", expected null, boolean, integer, "
                                           "number, string, array or object",
                                           name));
    }
  }
  if (std::ranges::find(types, "number") != types.end()) std::erase(types, "integer");
  return types;
}

int32_t SchemaGrammar::space() {
  if (options_.whitespace == JsonWhitespace::compact) return -1;
  const CharSet blanks({{' ', ' '}, {'\t', '\t'}});
  return data_.optional(data_.choice(
      {data_.bytes(" "),
       data_.sequence({data_.bytes("\n"), data_.repeat(data_.chars(blanks), 0, 20)})}));
}

void SchemaGrammar::add_space(std::vector<int32_t>& parts) {
  const int32_t blank = space();
  if (blank >= 0) parts.push_back(blank);
}

int32_t SchemaGrammar::value(Schema schema) {
  Schema target;
  for (int64_t steps = 0; document_.is_reference(schema, target); ++steps) {
    if (steps > data_.limits.max_depth) {
      document_.broken(schema, "\"$ref\" leads in a circle");
    }
    schema = target;
  }
  if (schema.is(true)) return any_value();
  if (schema.is(false)) return nothing();
  const std::string text = schema.value.dump();
  budget_.spend(static_cast<int64_t>(text.size()));
  if (static_cast<int64_t>(text.size()) > 4 * data_.limits.max_bytes) {
    fail(ErrorKind::exhausted, "{}: grows beyond {} bytes when it is merged",
         document_.place(schema), 4 * data_.limits.max_bytes);
  }
  const auto known = rules_.find(text);
  if (known != rules_.end()) return data_.call(known->second);
  if (++depth_ > data_.limits.max_depth) {
    fail(ErrorKind::exhausted, "{}: schemas nested deeper than {}", document_.place(schema),
         data_.limits.max_depth);
  }
  const int32_t rule = data_.add_rule(schema.pointer.empty() ? "/" : schema.pointer);
  rules_.emplace(text, rule);
  const int32_t expression = body(schema);
  data_.rules[static_cast<size_t>(rule)].body = expression;
  --depth_;
  return data_.call(rule);
}

int32_t SchemaGrammar::body(const Schema& schema) {
  const Schema simple = document_.simplified(schema);
  if (simple.is(true)) return any_value();
  if (simple.is(false)) return nothing();
  if (simple.value.get_if<JsonValue::Object>()->members.empty()) return any_value();
  if (simple.find("enum") != nullptr) return listed(simple);
  if (const JsonValue* alternatives = simple.find("anyOf")) {
    JsonValue rest = JsonValue::object();
    for (const auto& [key, member] : simple.value.get_if<JsonValue::Object>()->members) {
      if (key != "anyOf") rest.set(key, member);
    }
    const bool alone = rest.get_if<JsonValue::Object>()->members.empty();
    std::vector<int32_t> parts;
    const auto& list = *alternatives->get_if<JsonValue::Array>();
    for (size_t i = 0; i < list.size(); ++i) {
      parts.push_back(
          value(part(simple, alone ? list[i] : both(rest, list[i]), "anyOf/" + std::to_string(i))));
    }
    return data_.choice(std::move(parts));
  }
  std::vector<int32_t> parts;
  for (const std::string& type : types_of(simple)) parts.push_back(of_type(simple, type));
  return data_.choice(std::move(parts));
}

int32_t SchemaGrammar::of_type(const Schema& simple, std::string_view type) {
  if (type == "null") return data_.bytes("null");
  if (type == "boolean") return data_.choice({data_.bytes("true"), data_.bytes("false")});
  if (type == "integer") return number(simple, true);
  if (type == "number") return number(simple, false);
  if (type == "string") return string(simple);
  return type == "array" ? array(simple) : object(simple);
}

int32_t SchemaGrammar::listed(const Schema& simple) {
  const auto* values = simple.find("enum")->get_if<JsonValue::Array>();
  if (values == nullptr) document_.broken(simple, "\"enum\" is no array");
  Schema rest = {JsonValue::object(), simple.pointer};
  for (const auto& [key, member] : simple.value.get_if<JsonValue::Object>()->members) {
    if (key != "enum") rest.value.set(key, member);
  }
  std::vector<int32_t> parts;
  for (const JsonValue& candidate : *values) {
    if (satisfies(candidate, rest)) parts.push_back(data_.bytes(compact_json(candidate)));
  }
  return data_.choice(std::move(parts));
}

int32_t SchemaGrammar::any_value() {
  if (any_ >= 0) return data_.call(any_);
  any_ = data_.add_rule("value");
  const Schema all = {JsonValue::object(), ""};
  std::vector<int32_t> parts;
  for (const char* type : {"null", "boolean", "number", "string", "array", "object"}) {
    parts.push_back(of_type(all, type));
  }
  const int32_t expression = data_.choice(std::move(parts));
  data_.rules[static_cast<size_t>(any_)].body = expression;
  return data_.call(any_);
}

int32_t SchemaGrammar::array(const Schema& simple) {
  const JsonValue* first = simple.find("prefixItems");
  const JsonValue::Array none;
  const auto* listed_items = first == nullptr ? &none : first->get_if<JsonValue::Array>();
  if (listed_items == nullptr) document_.broken(simple, "\"prefixItems\" is no array");
  const int64_t min = count(simple, "minItems", 0);
  const int64_t max = count(simple, "maxItems", -1);
  const auto named = static_cast<int64_t>(listed_items->size());
  if (max >= 0 && max < min) return nothing();
  const JsonValue* items = simple.find("items");
  JsonValue others = items == nullptr ? JsonValue(true) : *items;
  if (items == nullptr && options_.closed && named > 0 && min <= named) others = false;

  // Node 0: nothing yet; 1: the end; i + 1: i items.
  Graph graph;
  graph.nodes = static_cast<int32_t>(2 + named);
  const auto node_of = [](int64_t i) { return static_cast<int32_t>(i == 0 ? 0 : i + 1); };
  std::vector<int32_t> comma_parts = {data_.bytes(",")};
  add_space(comma_parts);
  const int32_t comma = data_.sequence(comma_parts);
  for (int64_t i = 0; i <= named; ++i) {
    if (i >= min && (max < 0 || i <= max)) graph.edges.push_back({node_of(i), 1, -1});
    if (i == named || (max >= 0 && i >= max)) continue;
    const auto index = static_cast<size_t>(i);
    const int32_t item =
        value(part(simple, (*listed_items)[index], "prefixItems/" + std::to_string(i)));
    graph.edges.push_back(
        {node_of(i), node_of(i + 1), i == 0 ? item : data_.sequence({comma, item})});
  }
  if (max < 0 || max > named) {
    const int32_t item = value(part(simple, others, "items"));
    const int32_t further = data_.sequence({comma, item});
    const int64_t least = std::max<int64_t>(1, min - named);
    const int64_t most = max < 0 ? -1 : max - named;
    const int32_t many =
        named > 0
            ? data_.repeat(further, least, most)
            : data_.sequence({item, data_.repeat(further, least - 1, most < 0 ? -1 : most - 1)});
    graph.edges.push_back({node_of(named), 1, many});
  }
  std::vector<int32_t> parts = {data_.bytes("[")};
  add_space(parts);
  parts.push_back(data_.graph(std::move(graph)));
  add_space(parts);
  parts.push_back(data_.bytes("]"));
  return data_.sequence(std::move(parts));
}

}  // namespace cadre::text::grammar
