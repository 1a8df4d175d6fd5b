// What two schemas ask for together, keyword by keyword.
#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <set>

#include "core/base/error.h"
#include "text/grammar/schema_document.h"
#include "text/grammar/schema_numbers.h"

namespace cadre::text::grammar {
namespace {

using io::JsonValue;

const JsonValue::Object* members_of(const JsonValue* value) {
  return value == nullptr ? nullptr : value->get_if<JsonValue::Object>();
}

// "type" as a list.
std::vector<std::string> types_of(const JsonValue& type) {
  std::vector<std::string> types;
  if (const auto* text = type.get_if<std::string>()) types.push_back(*text);
  if (const auto* list = type.get_if<JsonValue::Array>()) {
    for (const JsonValue& entry : *list) {
      if (const auto* text = entry.get_if<std::string>()) types.push_back(*text);
    }
  }
  return types;
}

JsonValue either(const std::vector<std::string>& left, const std::vector<std::string>& right) {
  const auto has = [](const std::vector<std::string>& list, const std::string& type) {
    return std::ranges::find(list, type) != list.end() ||
           (type == "integer" && std::ranges::find(list, "number") != list.end());
  };
  JsonValue common = JsonValue::array();
  for (const std::string_view name : kSchemaTypes) {
    const std::string type(name);
    if (has(left, type) && has(right, type)) common.push(type);
  }
  return common;
}

}  // namespace

void SchemaDocument::merge_bounds(const Schema& a, const Schema& b, JsonValue& out) const {
  const auto pair = [&](std::string_view key) -> std::pair<const JsonValue*, const JsonValue*> {
    const JsonValue* left = a.find(key);
    const JsonValue* right = b.find(key);
    return left != nullptr && right != nullptr ? std::pair(left, right)
                                               : std::pair<const JsonValue*, const JsonValue*>();
  };
  if (const auto [left, right] = pair("type"); left != nullptr) {
    out.set("type", either(types_of(*left), types_of(*right)));
  }
  if (const auto [left, right] = pair("enum"); left != nullptr) {
    JsonValue common = JsonValue::array();
    const auto* ours = left->get_if<JsonValue::Array>();
    const auto* theirs = right->get_if<JsonValue::Array>();
    if (ours == nullptr || theirs == nullptr) broken(a, "\"enum\" is no array");
    if (ours->size() * theirs->size() > 1'000'000) refuse(a, "two such long enums at once");
    for (const JsonValue& value : *ours) {
      const auto same = [&](const JsonValue& other) { return equal_values(value, other); };
      if (std::ranges::any_of(*theirs, same)) common.push(value);
    }
    out.set("enum", common);
  }
  const auto bound = [&](std::string_view key, int sign) {
    const auto [left, right] = pair(key);
    if (left == nullptr) return;
    const auto x = decimal_of(*left);
    const auto y = decimal_of(*right);
    if (!x || !y) broken(a, fmt::format("\"{}\" is no number", key));
    out.set(key, compare(*x, *y) * sign > 0 ? *left : *right);
  };
  for (const char* key :
       {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}) {
    bound(key, 1);
  }
  for (const char* key :
       {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}) {
    bound(key, -1);
  }
  if (const auto [left, right] = pair("multipleOf"); left != nullptr) {
    const auto* x = left->get_if<int64_t>();
    const auto* y = right->get_if<int64_t>();
    if (equal_values(*left, *right)) {
      out.set("multipleOf", *left);
    } else if (x != nullptr && y != nullptr && *x > 0 && *y > 0 && *x < 100'000 && *y < 100'000) {
      out.set("multipleOf", std::lcm(*x, *y));
    } else {
      refuse(a, "multipleOf of two numbers that are not whole");
    }
  }
  if (const auto [left, right] = pair("format"); left != nullptr) {
    if (!equal_values(*left, *right)) refuse(a, "two formats at once");
    out.set("format", *left);
  }
  // Patterns do not merge into one; all have to match.
  JsonValue patterns = JsonValue::array();
  for (const Schema* one : {&a, &b}) {
    if (const JsonValue* pattern = one->find("pattern")) patterns.push(*pattern);
    if (const JsonValue* list = one->find(kAllPatterns)) {
      for (const JsonValue& pattern : *list->get_if<JsonValue::Array>()) patterns.push(pattern);
    }
  }
  if (patterns.get_if<JsonValue::Array>()->size() > 1) {
    const JsonValue last = patterns.get_if<JsonValue::Array>()->back();
    JsonValue others = JsonValue::array();
    for (const JsonValue& pattern : *patterns.get_if<JsonValue::Array>()) others.push(pattern);
    out.set("pattern", last).set(kAllPatterns, others);
  }
}

// A property is what both say of it, and what one says of others it says of the other's properties.
void SchemaDocument::merge_objects(const Schema& a, const Schema& b, JsonValue& out) const {
  const auto mentions = [](const Schema& schema) {
    return schema.find("properties") != nullptr || schema.find("patternProperties") != nullptr ||
           schema.find("additionalProperties") != nullptr;
  };
  if (mentions(a) && mentions(b)) {
    for (const Schema* one : {&a, &b}) {
      const Schema& other = one == &a ? b : a;
      if (one->find("patternProperties") == nullptr) continue;
      if (other.find("additionalProperties") != nullptr ||
          other.find("patternProperties") != nullptr) {
        refuse(a, "allOf of patternProperties with additionalProperties or patternProperties");
      }
      // A name of the other's that matches a pattern is met where the object is built.
    }
    JsonValue properties = JsonValue::object();
    for (const Schema* one : {&a, &b}) {
      const Schema& other = one == &a ? b : a;
      const auto* ours = members_of(one->find("properties"));
      if (ours == nullptr) continue;
      const JsonValue* theirs = other.find("properties");
      for (const auto& [name, schema] : ours->members) {
        const JsonValue* same = theirs == nullptr ? nullptr : theirs->find(name);
        const JsonValue* rest = other.find("additionalProperties");
        if (same != nullptr) {
          if (one == &a) properties.set(name, both(schema, *same));
        } else {
          properties.set(name, rest == nullptr ? schema : both(schema, *rest));
        }
      }
    }
    if (!members_of(&properties)->members.empty()) out.set("properties", properties);
    const JsonValue* left = a.find("additionalProperties");
    const JsonValue* right = b.find("additionalProperties");
    if (left != nullptr && right != nullptr) out.set("additionalProperties", both(*left, *right));
  }
  if (a.find("required") != nullptr && b.find("required") != nullptr) {
    JsonValue required = JsonValue::array();
    std::set<std::string> seen;
    for (const Schema* one : {&a, &b}) {
      const auto* names = one->find("required")->get_if<JsonValue::Array>();
      if (names == nullptr) broken(a, "\"required\" is no array");
      for (const JsonValue& name : *names) {
        if (seen.insert(name.dump()).second) required.push(name);
      }
    }
    out.set("required", required);
  }
}

void SchemaDocument::merge_arrays(const Schema& a, const Schema& b, JsonValue& out) const {
  const auto first = [&](const Schema& schema) -> JsonValue::Array {
    const JsonValue* list = schema.find("prefixItems");
    if (list == nullptr) return {};
    const auto* items = list->get_if<JsonValue::Array>();
    if (items == nullptr) broken(a, "\"prefixItems\" is no array");
    return *items;
  };
  const auto rest = [](const Schema& schema) {
    const JsonValue* items = schema.find("items");
    return items == nullptr ? JsonValue(true) : *items;
  };
  const JsonValue::Array left = first(a);
  const JsonValue::Array right = first(b);
  const bool items = a.find("items") != nullptr || b.find("items") != nullptr;
  if (!left.empty() || !right.empty()) {
    JsonValue merged_items = JsonValue::array();
    for (size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
      merged_items.push(
          both(i < left.size() ? left[i] : rest(a), i < right.size() ? right[i] : rest(b)));
    }
    out.set("prefixItems", merged_items);
  }
  if (items) out.set("items", both(rest(a), rest(b)));
}

}  // namespace cadre::text::grammar
