#include "text/grammar/schema_document.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/base/error.h"
#include "core/io/json.h"

namespace cadre::text::grammar {
namespace {

using io::JsonValue;

constexpr int kMaxDepth = 100;

constexpr std::array<std::string_view, 31> kKeywords = {
    "type",          "enum",       "const",      "anyOf",         "oneOf",
    "allOf",         "$ref",       "properties", "required",      "additionalProperties",
    "items",         "minItems",   "maxItems",   "prefixItems",   "patternProperties",
    "minLength",     "maxLength",  "pattern",    "format",        "minimum",
    "maximum",       "multipleOf", "$defs",      "definitions",   "exclusiveMinimum",
    "minProperties", "$anchor",    "$id",        "maxProperties", "exclusiveMaximum",
    "uniqueItems"};
constexpr std::array<std::string_view, 13> kAnnotations = {
    "title",       "description",   "default",        "examples",  "$comment",
    "$schema",     "deprecated",    "readOnly",       "writeOnly", "contentMediaType",
    "$vocabulary", "contentSchema", "contentEncoding"};

bool is_annotation(std::string_view key) {
  return key.starts_with("x-") || std::ranges::find(kAnnotations, key) != kAnnotations.end() ||
         key == "$defs" || key == "definitions" || key == "$anchor" || key == "$id";
}

const JsonValue::Object* object_of(const JsonValue& value) {
  return value.get_if<JsonValue::Object>();
}

std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return out;
}

// One part of a pointer in a URI fragment: %XX, then ~1 and ~0.
bool unescaped(std::string_view text, std::string& out) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    int value = 0;
    for (const char c : text.substr(i + 1, 2)) {
      const size_t digit = std::string_view("0123456789abcdefABCDEF").find(c);
      if (digit == std::string_view::npos) return false;
      value = 16 * value + static_cast<int>(digit < 16 ? digit : digit - 6);
    }
    plain += static_cast<char>(value);
    i += 2;
  }
  out.clear();
  for (size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] != '~') {
      out += plain[i];
      continue;
    }
    const char next = ++i < plain.size() ? plain[i] : ' ';
    if (next != '0' && next != '1') return false;
    out += next == '0' ? '~' : '/';
  }
  return true;
}

// The schema in which "$anchor" is `name`, with its pointer.
bool find_anchor(const JsonValue& value, const std::string& name, Schema& out) {
  if (const auto* object = object_of(value)) {
    const JsonValue* anchor = value.find("$anchor");
    const auto* text = anchor == nullptr ? nullptr : anchor->get_if<std::string>();
    if (text != nullptr && *text == name) {
      out.value = value;
      return true;
    }
    for (const auto& [key, member] : object->members) {
      if (key == "enum" || key == "const") continue;
      const size_t size = out.pointer.size();
      out.pointer += "/" + escaped(key);
      if (find_anchor(member, name, out)) return true;
      out.pointer.resize(size);
    }
  } else if (const auto* array = value.get_if<JsonValue::Array>()) {
    for (size_t i = 0; i < array->size(); ++i) {
      const size_t size = out.pointer.size();
      out.pointer += "/" + std::to_string(i);
      if (find_anchor((*array)[i], name, out)) return true;
      out.pointer.resize(size);
    }
  }
  return false;
}

}  // namespace

bool equal_values(const JsonValue& a, const JsonValue& b) {
  const auto number = [](const JsonValue& value) -> std::optional<double> {
    if (const auto* integer = value.get_if<int64_t>()) return static_cast<double>(*integer);
    if (const auto* real = value.get_if<double>()) return *real;
    return std::nullopt;
  };
  if (number(a) && number(b)) return *number(a) == *number(b);
  const auto* left = a.get_if<JsonValue::Array>();
  const auto* right = b.get_if<JsonValue::Array>();
  if (left != nullptr && right != nullptr) {
    return std::ranges::equal(*left, *right, equal_values);
  }
  const auto* object = object_of(a);
  if (object != nullptr && object_of(b) != nullptr) {
    return object->members.size() == object_of(b)->members.size() &&
           std::ranges::all_of(object->members, [&](const JsonValue::Member& member) {
             const JsonValue* other = b.find(member.first);
             return other != nullptr && equal_values(member.second, *other);
           });
  }
  return a.dump() == b.dump();
}

JsonValue both(const JsonValue& a, const JsonValue& b) {
  const auto is = [](const JsonValue& value, bool flag) {
    return value.get_if<bool>() != nullptr && *value.get_if<bool>() == flag;
  };
  if (is(a, true) || is(b, false)) return b;
  if (is(b, true) || is(a, false)) return a;
  if (a.dump() == b.dump()) return a;
  JsonValue all = JsonValue::object();
  all.set("allOf", JsonValue::array().push(a).push(b));
  return all;
}

SchemaDocument::SchemaDocument(std::string_view text, std::string_view where) : where_(where) {
  try {
    root_ = io::parse_json(text, where, {.max_depth = 200, .max_values = 1 << 20});
  } catch (const Error& error) {
    throw Error(ErrorKind::invalid_input, error.what());
  }
  if (root_.dump().find(io::json_quote(kAllPatterns)) != std::string::npos) {
    fail(ErrorKind::unsupported, "{}: the keyword {} is not supported", where_,
         io::json_quote(kAllPatterns));
  }
}

std::string SchemaDocument::place(const Schema& schema) const {
  return where_ + ": " + (schema.pointer.empty() ? "/" : schema.pointer);
}

void SchemaDocument::refuse(const Schema& schema, std::string_view message) const {
  fail(ErrorKind::unsupported, "{}: {}", place(schema), message);
}

void SchemaDocument::broken(const Schema& schema, std::string_view message) const {
  fail(ErrorKind::invalid_input, "{}: {}", place(schema), message);
}

void SchemaDocument::check_depth(const Schema& schema, int depth) const {
  constexpr int64_t kMaxSteps = 200'000;
  if (++steps_ > kMaxSteps) {
    fail(ErrorKind::exhausted, "{}: references and allOf take more than {} steps", place(schema),
         kMaxSteps);
  }
  if (depth > kMaxDepth) {
    fail(ErrorKind::exhausted, "{}: references or allOf nested deeper than {}, or in a circle",
         place(schema), kMaxDepth);
  }
}

void SchemaDocument::check_keywords(const Schema& schema) const {
  const auto* object = object_of(schema.value);
  if (object == nullptr) {
    broken(schema,
           fmt::format("is {}, expected a schema: true, false or an object", schema.value.kind()));
  }
  for (const auto& [key, member] : object->members) {
    if (key == "$id" && !schema.pointer.empty()) {
      refuse(schema, "the keyword \"$id\" is not supported in a part of a schema");
    }
    const bool* flag = member.get_if<bool>();
    const bool known = is_annotation(key) || key == kAllPatterns ||
                       std::ranges::find(kKeywords, key) != kKeywords.end();
    if (known && (key != "uniqueItems" || (flag != nullptr && !*flag))) continue;
    refuse(schema, key == "uniqueItems"
                       ? std::string("the keyword \"uniqueItems\" is not supported but as false")
                       : fmt::format("the keyword \"{}\" is not supported", key));
  }
}

Schema SchemaDocument::resolve(const Schema& from, const std::string& reference) const {
  if (!reference.starts_with('#')) {
    refuse(from, fmt::format("the reference \"{}\" is not supported, expected one within the "
                             "document: #/...",
                             reference));
  }
  Schema target = {root_, ""};
  const std::string fragment = reference.substr(1);
  const auto nowhere = [&] {
    broken(from, fmt::format("the reference \"{}\" leads nowhere", reference));
  };
  if (fragment.empty()) return target;
  if (fragment[0] != '/') {
    if (!find_anchor(root_, fragment, target)) nowhere();
    return target;
  }
  const JsonValue* at = &root_;
  for (size_t begin = 1; begin <= fragment.size();) {
    const size_t end = std::min(fragment.find('/', begin), fragment.size());
    std::string part;
    if (!unescaped(std::string_view(fragment).substr(begin, end - begin), part)) nowhere();
    if (const auto* array = at->get_if<JsonValue::Array>()) {
      size_t index = 0;
      if (part.empty() || part.size() > 9 || part.find_first_not_of("0123456789") != part.npos) {
        nowhere();
      }
      index = std::stoul(part);
      if (index >= array->size()) nowhere();
      at = &(*array)[index];
    } else {
      at = at->find(part);
      if (at == nullptr) nowhere();
    }
    target.pointer += "/" + escaped(part);
    begin = end + 1;
  }
  target.value = *at;
  return target;
}

bool SchemaDocument::is_reference(const Schema& schema, Schema& target) const {
  const auto* object = object_of(schema.value);
  if (object == nullptr || schema.find("$ref") == nullptr) return false;
  for (const auto& [key, member] : object->members) {
    if (key != "$ref" && !is_annotation(key)) return false;
  }
  check_keywords(schema);
  const auto* text = schema.find("$ref")->get_if<std::string>();
  if (text == nullptr) broken(schema, "\"$ref\" is no string");
  target = resolve(schema, *text);
  return true;
}

Schema SchemaDocument::simplified(const Schema& schema, int depth) const {
  check_depth(schema, depth);
  if (schema.value.get_if<bool>() != nullptr) return schema;
  check_keywords(schema);
  Schema result = {JsonValue::object(), schema.pointer};
  for (const auto& [key, member] : object_of(schema.value)->members) {
    if (is_annotation(key) || key == "$ref" || key == "allOf" || key == "oneOf" || key == "anyOf" ||
        key == "const" || key == "uniqueItems") {
      continue;
    }
    result.value.set(key, member);
  }
  const auto add = [&](Schema other) {
    result = merged(result, simplified(other, depth + 1), depth + 1);
  };
  if (const JsonValue* value = schema.find("const")) {
    add({JsonValue::object().set("enum", JsonValue::array().push(*value)), schema.pointer});
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    const JsonValue* list = schema.find(key);
    if (list == nullptr) continue;
    const auto* parts = list->get_if<JsonValue::Array>();
    if (parts == nullptr || parts->empty()) {
      broken(schema, fmt::format("\"{}\" is {}, expected an array of schemas", key, list->kind()));
    }
    Schema alternatives = {JsonValue::object().set("anyOf", *list), schema.pointer};
    result = merged(result, alternatives, depth + 1);
  }
  if (const JsonValue* reference = schema.find("$ref")) {
    const auto* text = reference->get_if<std::string>();
    if (text == nullptr) broken(schema, "\"$ref\" is no string");
    add(resolve(schema, *text));
  }
  if (const JsonValue* list = schema.find("allOf")) {
    const auto* parts = list->get_if<JsonValue::Array>();
    if (parts == nullptr) broken(schema, "\"allOf\" is no array");
    for (size_t i = 0; i < parts->size(); ++i) {
      add({(*parts)[i], schema.pointer + "/allOf/" + std::to_string(i)});
    }
  }
  result.pointer = schema.pointer;
  return result;
}

Schema SchemaDocument::merged(const Schema& a, const Schema& b, int depth) const {
  check_depth(a, depth);
  if (a.is(true) || b.is(false)) return {b.value, a.pointer};
  if (b.is(true) || a.is(false)) return a;
  Schema out = {JsonValue::object(), a.pointer};
  // Keywords that only one of them has stay; what both have is met below.
  for (const Schema* one : {&a, &b}) {
    const Schema& other = one == &a ? b : a;
    for (const auto& [key, member] : object_of(one->value)->members) {
      if (other.find(key) == nullptr) out.value.set(key, member);
    }
  }
  merge_bounds(a, b, out.value);
  merge_objects(a, b, out.value);
  merge_arrays(a, b, out.value);
  if (a.find("anyOf") != nullptr && b.find("anyOf") != nullptr) {
    const auto* left = a.find("anyOf")->get_if<JsonValue::Array>();
    const auto* right = b.find("anyOf")->get_if<JsonValue::Array>();
    if (left->size() * right->size() > 256) {
      refuse(a, "alternatives of alternatives (anyOf, oneOf) of more than 256 kinds");
    }
    JsonValue product = JsonValue::array();
    for (const JsonValue& x : *left) {
      for (const JsonValue& y : *right) product.push(both(x, y));
    }
    out.value.set("anyOf", product);
  }
  return out;
}

}  // namespace cadre::text::grammar
