// The tests behind "is".
#include <algorithm>
#include <array>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace cadre::text::jinja {
namespace {

// A test of the value alone.
template <bool (*Holds)(const Value&)>
bool plain(Interpreter&, const Value& operand, const Arguments& arguments) {
  Bound("test", arguments, {});
  return Holds(operand);
}

Value remainder(Interpreter& interpreter, const Value& operand, const Value& by) {
  return apply(interpreter.budget(), Binary::modulo, operand, by);
}

template <int wanted>
bool parity(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("test", arguments, {});
  return equal(interpreter.budget(), remainder(interpreter, operand, 2), wanted);
}

bool divisible(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("divisibleby", arguments, {"num"}, 1);
  return equal(interpreter.budget(), remainder(interpreter, operand, bound.at(0)), 0);
}

enum class Order { eq, ne, lt, le, gt, ge };

template <Order order>
bool compared(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("test", arguments, {"other"}, 1);
  Budget& budget = interpreter.budget();
  switch (order) {
    case Order::eq:
      return equal(budget, operand, bound.at(0));
    case Order::ne:
      return !equal(budget, operand, bound.at(0));
    case Order::lt:
      return ordered(budget, "<", operand, bound.at(0));
    case Order::le:
      return ordered(budget, "<=", operand, bound.at(0));
    case Order::gt:
      return ordered(budget, ">", operand, bound.at(0));
    default:
      return ordered(budget, ">=", operand, bound.at(0));
  }
}

bool is_in(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("in", arguments, {"seq"}, 1);
  return contains(interpreter.budget(), bound.at(0), operand);
}

bool is_same(Interpreter&, const Value& operand, const Arguments& arguments) {
  const Bound bound("sameas", arguments, {"other"}, 1);
  return operand.same(bound.at(0));
}

template <bool (*Holds)(std::string_view)>
bool cased(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  Bound("test", arguments, {});
  return Holds(to_text(interpreter.budget(), operand));
}

bool names_filter(Interpreter&, const Value& operand, const Arguments&) {
  expect_hashable(operand);
  return operand.string() && find_filter(*operand.string()) != nullptr;
}

bool names_test(Interpreter&, const Value& operand, const Arguments&) {
  expect_hashable(operand);
  return operand.string() && find_test(*operand.string()) != nullptr;
}

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_boolean(const Value& value) { return value.holds<bool>(); }
bool is_true(const Value& value) { return value.holds<bool>() && value.truth(); }
bool is_false(const Value& value) { return value.holds<bool>() && !value.truth(); }
bool is_integer(const Value& value) { return value.holds<int64_t>(); }
bool is_float(const Value& value) { return value.holds<double>(); }
bool is_number(const Value& value) { return value.number().has_value(); }
bool is_string(const Value& value) { return value.string() != nullptr; }
bool is_mapping(const Value& value) { return value.dict() != nullptr; }
bool is_sequence(const Value& value) {
  return value.is_undefined() || value.string() || value.sequence() || value.dict() ||
         value.holds<Range>();
}
bool is_callable(const Value& value) {
  return value.is_undefined() || (value.object() != nullptr && value.object()->callable());
}
bool is_escaped(const Value&) { return false; }

constexpr std::array<Test, 39> kTests = {{
    {"!=", compared<Order::ne>},
    {"<", compared<Order::lt>},
    {"<=", compared<Order::le>},
    {"==", compared<Order::eq>},
    {">", compared<Order::gt>},
    {">=", compared<Order::ge>},
    {"boolean", plain<is_boolean>},
    {"callable", plain<is_callable>},
    {"defined", plain<is_defined>},
    {"divisibleby", divisible},
    {"eq", compared<Order::eq>},
    {"equalto", compared<Order::eq>},
    {"escaped", plain<is_escaped>},
    {"even", parity<0>},
    {"false", plain<is_false>},
    {"filter", names_filter},
    {"float", plain<is_float>},
    {"ge", compared<Order::ge>},
    {"greaterthan", compared<Order::gt>},
    {"gt", compared<Order::gt>},
    {"in", is_in},
    {"integer", plain<is_integer>},
    {"iterable", plain<is_iterable>},
    {"le", compared<Order::le>},
    {"lessthan", compared<Order::lt>},
    {"lower", cased<is_lower>},
    {"lt", compared<Order::lt>},
    {"mapping", plain<is_mapping>},
    {"ne", compared<Order::ne>},
    {"none", plain<is_none>},
    {"number", plain<is_number>},
    {"odd", parity<1>},
    {"sameas", is_same},
    {"sequence", plain<is_sequence>},
    {"string", plain<is_string>},
    {"test", names_test},
    {"true", plain<is_true>},
    {"undefined", plain<is_undefined>},
    {"upper", cased<is_upper>},
}};

}  // namespace

const Test* find_test(std::string_view name) {
  const auto found = std::ranges::find(kTests, name, &Test::name);
  return found == kTests.end() ? nullptr : &*found;
}

}  // namespace cadre::text::jinja
