// Filters on lists and mappings.
#include <algorithm>
#include <array>
#include <numeric>

#include "text/jinja/attribute_path.h"
#include "text/jinja/attributes.h"
#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace cadre::text::jinja {
namespace {

std::optional<Value> given(const Bound& bound, size_t index) {
  return bound.has(index) ? std::optional<Value>(bound.at(index)) : std::nullopt;
}

Value default_value(Interpreter&, const Value& operand, const Arguments& arguments) {
  const Bound bound("default", arguments, {"default_value", "boolean"});
  const bool use = operand.is_undefined() || (bound.truth_or(1, false) && !operand.truth());
  return use ? bound.value_or(0, "") : operand;
}

Value attribute(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("attr", arguments, {"name"}, 1);
  if (operand.dict()) {
    // A key is no attribute here.
    if (const auto method = container_method(operand, bound.text(0))) return *method;
    return Value::undefined(fmt::format("'dict object' has no attribute '{}'", bound.text(0)));
  }
  return attribute_of(interpreter.budget(), operand, bound.text(0));
}

Value count(Interpreter&, const Value& operand, const Arguments& arguments) {
  Bound("length", arguments, {});
  const auto size = length(operand);
  if (!size) raise("object of type '{}' has no len()", operand.type_name());
  return *size;
}

Value first(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("first", arguments, {});
  if (Iterator* iterator = operand.iterator()) {
    if (iterator->next < iterator->items.size()) return iterator->items[iterator->next++];
    return Value::undefined("No first item, sequence was empty.");
  }
  const std::vector<Value> items = iterate(interpreter.budget(), operand);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("last", arguments, {});
  if (operand.iterator()) raise("'generator' object is not reversible");
  const std::vector<Value> items = iterate(interpreter.budget(), operand);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value items_of(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("items", arguments, {});
  if (operand.is_undefined()) return Value::iterator(interpreter.budget(), {});
  if (!operand.dict()) raise("Can only get item pairs from a mapping.");
  const Value view = View{operand.shared_dict(), View::Kind::items};
  return Value::iterator(interpreter.budget(), iterate(interpreter.budget(), view));
}

Value join(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("join", arguments, {"d", "attribute"});
  Budget& budget = interpreter.budget();
  const std::string separator = to_text(budget, bound.value_or(0, ""));
  const AttributePath path(given(bound, 1));
  std::string out;
  bool is_first = true;
  for (const Value& item : iterate(budget, operand)) {
    if (!is_first) out += separator;
    is_first = false;
    out += to_text(budget, path.of(budget, item));
    budget.string(static_cast<int64_t>(separator.size()));
    if (static_cast<int64_t>(out.size()) > budget.limits().max_string) {
      budget.string(static_cast<int64_t>(out.size()));
    }
  }
  return out;
}

Value list(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("list", arguments, {});
  return Value::list(interpreter.budget(), iterate(interpreter.budget(), operand));
}

Value reverse(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("reverse", arguments, {});
  Budget& budget = interpreter.budget();
  if (const std::string* text = operand.string()) {
    budget.string(static_cast<int64_t>(text->size()));
    return reversed(*text);
  }
  const bool once = operand.iterator() == nullptr;
  std::vector<Value> items = iterate(budget, operand);
  std::ranges::reverse(items);
  return once ? Value::iterator(budget, std::move(items)) : Value::list(budget, std::move(items));
}

// Items in the order of their keys, equal ones as they came.
std::vector<Value> sorted(Budget& budget, std::vector<Value> items, const std::vector<Value>& keys,
                          bool descending) {
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    return descending ? less(budget, keys[b], keys[a]) : less(budget, keys[a], keys[b]);
  });
  std::vector<Value> out;
  out.reserve(items.size());
  for (const size_t index : order) out.push_back(std::move(items[index]));
  return out;
}

Value sort(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  Budget& budget = interpreter.budget();
  const std::vector<AttributePath> paths = AttributePath::several(given(bound, 2));
  std::vector<Value> items = iterate(budget, operand);
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> parts;
    for (const AttributePath& path : paths) {
      parts.push_back(path.key(budget, item, bound.truth_or(1, false)));
    }
    keys.push_back(Value::list(budget, std::move(parts)));
  }
  return Value::list(budget, sorted(budget, std::move(items), keys, bound.truth_or(0, false)));
}

Value dict_sort(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  Budget& budget = interpreter.budget();
  const std::string by = bound.has(1) ? bound.text(1) : "key";
  if (by != "key" && by != "value") raise("You can only sort by either \"key\" or \"value\"");
  if (operand.is_undefined()) raise_undefined(operand);
  if (!operand.dict()) raise("'{}' object has no attribute 'items'", operand.type_name());
  const AttributePath whole{std::nullopt};
  std::vector<Value> items;
  std::vector<Value> keys;
  for (const auto& [key, value] : operand.dict()->entries()) {
    items.push_back(Value::tuple(budget, {key, value}));
    keys.push_back(whole.key(budget, by == "key" ? key : value, bound.truth_or(0, false)));
  }
  return Value::list(budget, sorted(budget, std::move(items), keys, bound.truth_or(2, false)));
}

Value unique(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("unique", arguments, {"case_sensitive", "attribute"});
  Budget& budget = interpreter.budget();
  const AttributePath path(given(bound, 1));
  Dict seen;
  std::vector<Value> kept;
  for (const Value& item : iterate(budget, operand)) {
    const Value key = path.key(budget, item, bound.truth_or(0, false));
    if (seen.find(budget, key) != nullptr) continue;
    seen.set(budget, key, None{});
    kept.push_back(item);
  }
  return Value::iterator(budget, std::move(kept));
}

template <bool largest>
Value extreme(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("min", arguments, {"case_sensitive", "attribute"});
  Budget& budget = interpreter.budget();
  const AttributePath path(given(bound, 1));
  const std::vector<Value> items = iterate(budget, operand);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  Value best_key = path.key(budget, items[0], bound.truth_or(0, false));
  for (size_t i = 1; i < items.size(); ++i) {
    Value key = path.key(budget, items[i], bound.truth_or(0, false));
    if (largest ? less(budget, best_key, key) : less(budget, key, best_key)) {
      best = i;
      best_key = std::move(key);
    }
  }
  return items[best];
}

Value sum(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("sum", arguments, {"attribute", "start"});
  Budget& budget = interpreter.budget();
  const AttributePath path(given(bound, 0));
  Value total = bound.value_or(1, 0);
  if (total.string()) raise("sum() can't sum strings");
  for (const Value& item : iterate(budget, operand)) {
    total = apply(budget, Binary::add, total, path.of(budget, item));
  }
  return total;
}

Value batch(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("batch", arguments, {"linecount", "fill_with"}, 1);
  Budget& budget = interpreter.budget();
  const int64_t size = bound.integer_or(0, 0);
  std::vector<Value> lines;
  std::vector<Value> line;
  for (const Value& item : iterate(budget, operand)) {
    if (static_cast<int64_t>(line.size()) == size) {
      lines.push_back(Value::list(budget, std::exchange(line, {})));
    }
    line.push_back(item);
  }
  if (!line.empty()) {
    if (bound.has(1) && !bound.at(1).is_none()) {
      budget.items(std::max<int64_t>(size, 0));
      while (static_cast<int64_t>(line.size()) < size) line.push_back(bound.at(1));
    }
    lines.push_back(Value::list(budget, std::move(line)));
  }
  return Value::iterator(budget, std::move(lines));
}

Value slices(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("slice", arguments, {"slices", "fill_with"}, 1);
  Budget& budget = interpreter.budget();
  const std::vector<Value> items = iterate(budget, operand);
  const int64_t count = bound.integer_or(0, 0);
  if (count == 0) raise("integer division or modulo by zero");
  if (count > budget.limits().max_range) raise("more than {} slices", budget.limits().max_range);
  const auto size = static_cast<int64_t>(items.size());
  std::vector<Value> out;
  int64_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    const bool extra = i < size % count;
    const int64_t end = at + size / count + (extra ? 1 : 0);
    std::vector<Value> part(items.begin() + at, items.begin() + end);
    if (bound.has(1) && !bound.at(1).is_none() && !extra) part.push_back(bound.at(1));
    out.push_back(Value::list(budget, std::move(part)));
    at = end;
  }
  return Value::iterator(budget, std::move(out));
}

constexpr std::array<Filter, 19> kSequenceFilters = {{
    {"attr", attribute},
    {"batch", batch},
    {"count", count},
    {"d", default_value},
    {"default", default_value},
    {"dictsort", dict_sort},
    {"first", first},
    {"items", items_of},
    {"join", join},
    {"last", last},
    {"length", count},
    {"list", list},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reverse", reverse},
    {"slice", slices},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
}};

}  // namespace

std::span<const Filter> sequence_filters() { return kSequenceFilters; }

}  // namespace cadre::text::jinja
