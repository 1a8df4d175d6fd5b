// The methods of dict, list, tuple, range and numbers.
#include <algorithm>
#include <array>
#include <cmath>

#include "text/jinja/attributes.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"

namespace cadre::text::jinja {
namespace {

using Method = Value (*)(Interpreter&, const Value& self, Arguments&);

struct Entry {
  std::string_view name;
  Method method;
};

template <View::Kind kind>
Value view(Interpreter&, const Value& self, Arguments& arguments) {
  Bound("dict method", arguments, {});
  return View{self.shared_dict(), kind};
}

Value dict_get(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  if (!arguments.named.empty()) raise("dict.get() takes no keyword arguments");
  const Bound bound("get", arguments, {"key", "default"}, 1);
  const Value* found = self.dict()->find(interpreter.budget(), bound.at(0));
  return found != nullptr ? *found : bound.value_or(1, None{});
}

Value same(Interpreter&, const Value& self, Arguments& arguments) {
  Bound("copy", arguments, {});
  return self;
}

Value count_items(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound("count", arguments, {"value"}, 1);
  int64_t count = 0;
  for (const Value& item : iterate(interpreter.budget(), self)) {
    if (equal(interpreter.budget(), item, bound.at(0))) ++count;
  }
  return count;
}

Value index_of(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound("index", arguments, {"value", "start", "stop"}, 1);
  const std::vector<Value> items = iterate(interpreter.budget(), self);
  const auto size = static_cast<int64_t>(items.size());
  const auto position = [&](size_t which, int64_t otherwise) {
    const int64_t at = bound.integer_or(which, otherwise);
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  for (int64_t i = position(1, 0); i < position(2, size); ++i) {
    if (equal(interpreter.budget(), items[static_cast<size_t>(i)], bound.at(0))) return i;
  }
  raise("value is not in list");
}

Value is_whole(Interpreter&, const Value& self, Arguments& arguments) {
  Bound("is_integer", arguments, {});
  const double number = *self.number();
  return std::isfinite(number) && number == std::floor(number);
}

constexpr std::array<Entry, 5> kDict = {{{"items", view<View::Kind::items>},
                                         {"keys", view<View::Kind::keys>},
                                         {"values", view<View::Kind::values>},
                                         {"get", dict_get},
                                         {"copy", same}}};
constexpr std::array<Entry, 3> kList = {
    {{"count", count_items}, {"index", index_of}, {"copy", same}}};
constexpr std::array<Entry, 2> kTuple = {{{"count", count_items}, {"index", index_of}}};
constexpr std::array<Entry, 1> kFloat = {{{"is_integer", is_whole}}};

constexpr std::array<std::string_view, 5> kDictChanges = {"clear", "pop", "popitem", "setdefault",
                                                          "update"};
constexpr std::array<std::string_view, 8> kListChanges = {"append", "clear", "pop",    "reverse",
                                                          "insert", "sort",  "extend", "remove"};

template <size_t N>
std::optional<Value> bound_method(const std::array<Entry, N>& entries, const Value& self,
                                  std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name != name) continue;
    return Function::make(
        std::string(name),
        [self, method = entry.method](Interpreter& interpreter, Arguments& arguments) {
          return method(interpreter, self, arguments);
        },
        self.depth());
  }
  return std::nullopt;
}

Value unsafe(const Value& self, std::string_view name) {
  return Value::undefined(
      fmt::format("access to attribute '{}' of '{}' object is unsafe", name, self.type_name()));
}

}  // namespace

std::optional<Value> container_method(const Value& self, std::string_view name) {
  if (self.dict()) {
    if (std::ranges::find(kDictChanges, name) != kDictChanges.end()) return unsafe(self, name);
    return bound_method(kDict, self, name);
  }
  if (self.list()) {
    if (std::ranges::find(kListChanges, name) != kListChanges.end()) return unsafe(self, name);
    return bound_method(kList, self, name);
  }
  if (self.tuple() || self.holds<Range>()) return bound_method(kTuple, self, name);
  if (self.holds<double>()) return bound_method(kFloat, self, name);
  return std::nullopt;
}

}  // namespace cadre::text::jinja
