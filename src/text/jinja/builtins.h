// What templates find by name: filters, tests and functions.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "text/jinja/interpreter.h"

namespace cadre::text::jinja {

struct Filter {
  std::string_view name;
  Value (*apply)(Interpreter& interpreter, const Value& operand, const Arguments& arguments);
};
struct Test {
  std::string_view name;
  bool (*holds)(Interpreter& interpreter, const Value& operand, const Arguments& arguments);
};

// Null if there is none.
const Filter* find_filter(std::string_view name);
const Test* find_test(std::string_view name);
// range, namespace, dict, raise_exception, strftime_now, cycler, joiner.
std::optional<Value> builtin_function(std::string_view name);

// The parts of the list of filters.
std::span<const Filter> text_filters();
std::span<const Filter> number_filters();
std::span<const Filter> sequence_filters();
std::span<const Filter> selection_filters();

}  // namespace cadre::text::jinja
