// Objects of JSON schemas: named properties in their order, others behind them.
#include <algorithm>
#include <unordered_map>

#include "core/base/error.h"
#include "text/grammar/schema_grammar.h"

namespace cadre::text::grammar {
namespace {

using io::JsonValue;

// 2^n kinds of names.
constexpr size_t kMaxPatterns = 5;
constexpr int64_t kMaxNodes = 50'000;

}  // namespace

// Those of "properties", then those that are only required; a name that matches a pattern obeys it.
std::vector<SchemaGrammar::Member> SchemaGrammar::named_members(const Schema& simple) {
  std::vector<Member> members;
  if (const JsonValue* properties = simple.find("properties")) {
    const auto* object = properties->get_if<JsonValue::Object>();
    if (object == nullptr) document_.broken(simple, "\"properties\" is no object");
    for (const auto& [name, schema] : object->members) members.push_back({name, schema, false});
  }
  std::unordered_map<std::string, size_t> known;
  for (size_t i = 0; i < members.size(); ++i) known.emplace(members[i].name, i);
  const size_t declared = members.size();
  if (const JsonValue* required = simple.find("required")) {
    const auto* names = required->get_if<JsonValue::Array>();
    if (names == nullptr) document_.broken(simple, "\"required\" is no array");
    for (const JsonValue& entry : *names) {
      const auto* name = entry.get_if<std::string>();
      if (name == nullptr) document_.broken(simple, "\"required\" has an entry that is no string");
      const auto [place, added] = known.emplace(*name, members.size());
      if (added) members.push_back({*name, true, true});
      members[place->second].required = true;
    }
  }
  const auto patterns = pattern_members(simple);
  for (size_t i = 0; i < members.size(); ++i) {
    bool matched = false;
    for (const auto& [names, schema] : patterns) {
      if (!names.matches(members[i].name)) continue;
      members[i].schema = both(members[i].schema, schema);
      matched = true;
    }
    const JsonValue* others = simple.find("additionalProperties");
    if (i >= declared && !matched && others != nullptr) members[i].schema = *others;
  }
  return members;
}

std::vector<std::pair<CharDfa, JsonValue>> SchemaGrammar::pattern_members(const Schema& simple) {
  std::vector<std::pair<CharDfa, JsonValue>> patterns;
  const JsonValue* given = simple.find("patternProperties");
  if (given == nullptr) return patterns;
  const auto* object = given->get_if<JsonValue::Object>();
  if (object == nullptr) document_.broken(simple, "\"patternProperties\" is no object");
  if (object->members.size() > kMaxPatterns) {
    document_.refuse(simple, fmt::format("more than {} patternProperties", kMaxPatterns));
  }
  for (const auto& [text, schema] : object->members) {
    patterns.emplace_back(pattern(simple, text, false), schema);
  }
  return patterns;
}

JsonValue SchemaGrammar::additional_members(const Schema& simple, size_t named) {
  if (const JsonValue* given = simple.find("additionalProperties")) return *given;
  const bool names_some =
      simple.find("properties") != nullptr || simple.find("patternProperties") != nullptr;
  const bool enough = simple.find("patternProperties") != nullptr ||
                      count(simple, "minProperties", 0) <= static_cast<int64_t>(named);
  return !(options_.closed && names_some && enough);
}

// Names that match no pattern but those of `which`, and are not those of named members.
std::vector<SchemaGrammar::OtherMembers> SchemaGrammar::other_members(
    const Schema& simple, const std::vector<Member>& named) {
  std::vector<OtherMembers> others;
  const auto patterns = pattern_members(simple);
  const JsonValue rest = additional_members(simple, named.size());
  const bool* refused = rest.get_if<bool>();
  if (patterns.empty() && refused != nullptr && !*refused) return others;
  std::vector<std::string> names;
  for (const Member& member : named) names.push_back(member.name);
  if (patterns.empty() && names.empty()) {
    others.push_back({{}, true, rest});
    return others;
  }
  const CharDfa free = complement(words(names));
  for (size_t which = 0; which < size_t{1} << patterns.size(); ++which) {
    OtherMembers group = {free, false, which == 0 ? rest : JsonValue(true)};
    for (size_t i = 0; i < patterns.size(); ++i) {
      const bool matches = (which >> i & 1) != 0;
      group.names =
          intersection(group.names, matches ? patterns[i].first : complement(patterns[i].first),
                       data_.limits, budget_);
      if (matches) group.schema = both(group.schema, patterns[i].second);
    }
    const bool* flag = group.schema.get_if<bool>();
    if (group.names.accepts_nothing() || (flag != nullptr && !*flag)) continue;
    others.push_back(std::move(group));
  }
  return others;
}

int32_t SchemaGrammar::object(const Schema& simple) {
  const std::vector<Member> named = named_members(simple);
  const int64_t min = count(simple, "minProperties", 0);
  const int64_t max = count(simple, "maxProperties", -1);
  if (max >= 0 && max < min) return nothing();
  std::vector<int32_t> colon_parts = {data_.bytes(":")};
  add_space(colon_parts);
  const int32_t colon = data_.sequence(colon_parts);
  std::vector<int32_t> comma_parts = {data_.bytes(",")};
  add_space(comma_parts);
  const int32_t comma = data_.sequence(comma_parts);

  std::vector<int32_t> members;
  for (const Member& member : named) {
    const int32_t content = value(part(simple, member.schema, "properties/" + member.name));
    members.push_back(data_.sequence({data_.bytes(quoted_json(member.name)), colon, content}));
  }
  std::vector<int32_t> others;
  for (OtherMembers& group : other_members(simple, named)) {
    const int32_t name =
        group.any_name
            ? any_string()
            : data_.sequence({data_.bytes("\""),
                              data_.automaton(std::move(group.names), Spelling::json_string),
                              data_.bytes("\"")});
    const int32_t content = value(part(simple, group.schema, "additionalProperties"));
    others.push_back(data_.sequence({name, colon, content}));
  }
  const int32_t other = others.empty() ? -1 : data_.choice(others);

  // Nodes (i, c): the first i named members have been passed, c members written. More than `cap`
  // need not be told apart.
  const int64_t cap = std::max<int64_t>({1, min, max});
  const auto size = static_cast<int64_t>(named.size());
  if ((size + 1) * (cap + 1) > kMaxNodes) {
    fail(ErrorKind::exhausted, "{}: takes more than {} states", document_.place(simple), kMaxNodes);
  }
  Graph graph;
  graph.nodes = static_cast<int32_t>(2 + (size + 1) * (cap + 1));
  const auto node_of = [&](int64_t i, int64_t c) {
    return i == 0 && c == 0 ? 0 : static_cast<int32_t>(2 + i * (cap + 1) + c);
  };
  const auto write = [&](int64_t i, int64_t c, int64_t to, int32_t what) {
    if (max >= 0 && c >= max) return;
    graph.edges.push_back({node_of(i, c), node_of(to, std::min(c + 1, cap)),
                           c == 0 ? what : data_.sequence({comma, what})});
  };
  for (int64_t i = 0; i <= size; ++i) {
    for (int64_t c = 0; c <= std::min(i, cap) || (i == size && c <= cap); ++c) {
      if (i < size) {
        const auto index = static_cast<size_t>(i);
        write(i, c, i + 1, members[index]);
        if (!named[index].required) graph.edges.push_back({node_of(i, c), node_of(i + 1, c), -1});
        continue;
      }
      if (other >= 0) write(i, c, i, other);
      if (c >= min) graph.edges.push_back({node_of(i, c), 1, -1});
    }
  }
  std::vector<int32_t> parts = {data_.bytes("{")};
  add_space(parts);
  parts.push_back(data_.graph(std::move(graph)));
  add_space(parts);
  parts.push_back(data_.bytes("}"));
  return data_.sequence(std::move(parts));
}

}  // namespace cadre::text::grammar
