// map, select and their relatives: filters and tests, applied to each item.
#include <array>

#include "text/jinja/attribute_path.h"
#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"

namespace cadre::text::jinja {
namespace {

// The name of a filter or test among the arguments, which it is taken from.
std::string take_name(Arguments& arguments, size_t index) {
  const Value name = arguments.positional[index];
  if (!name.string()) raise("the name of a filter or test is a {}", name.type_name());
  arguments.positional.erase(arguments.positional.begin(),
                             arguments.positional.begin() + static_cast<std::ptrdiff_t>(index) + 1);
  return *name.string();
}

Value map(Interpreter& interpreter, const Value& operand, const Arguments& given) {
  Budget& budget = interpreter.budget();
  Arguments arguments = given;
  std::vector<Value> out;
  if (!operand.truth()) return Value::iterator(budget, {});
  if (arguments.positional.empty()) {
    const auto attribute = arguments.take("attribute");
    if (!attribute) raise("map requires a filter argument");
    const auto otherwise = arguments.take("default");
    if (!arguments.named.empty()) {
      raise("Unexpected keyword argument '{}'", arguments.named.front().first);
    }
    const AttributePath path(attribute);
    const bool replace = otherwise && !otherwise->is_none();
    for (const Value& item : iterate(budget, operand)) {
      out.push_back(path.of(budget, item, replace ? &*otherwise : nullptr));
    }
  } else {
    const std::string name = take_name(arguments, 0);
    for (const Value& item : iterate(budget, operand)) {
      out.push_back(interpreter.filter(name, item, arguments));
    }
  }
  return Value::iterator(budget, std::move(out));
}

template <bool wanted, bool by_attribute>
Value select(Interpreter& interpreter, const Value& operand, const Arguments& given) {
  Budget& budget = interpreter.budget();
  if (!operand.truth()) return Value::iterator(budget, {});
  Arguments arguments = given;
  constexpr size_t kBefore = by_attribute ? 1 : 0;
  if (arguments.positional.size() < kBefore) raise("Missing parameter for attribute name");
  const AttributePath path(by_attribute ? std::optional<Value>(arguments.positional[0])
                                        : std::nullopt);
  std::string name;
  const bool has_test = arguments.positional.size() > kBefore;
  if (has_test) name = take_name(arguments, kBefore);
  std::vector<Value> kept;
  for (const Value& item : iterate(budget, operand)) {
    const Value looked_at = path.of(budget, item);
    const bool holds = has_test ? interpreter.test(name, looked_at, arguments) : looked_at.truth();
    if (holds == wanted) kept.push_back(item);
  }
  return Value::iterator(budget, std::move(kept));
}

constexpr std::array<Filter, 5> kSelectionFilters = {{
    {"map", map},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
}};

}  // namespace

std::span<const Filter> selection_filters() { return kSelectionFilters; }

}  // namespace cadre::text::jinja
