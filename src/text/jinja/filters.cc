// The list of filters, and those of numbers.
#include <algorithm>
#include <array>
#include <cmath>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/to_json.h"

namespace cadre::text::jinja {
namespace {

Value absolute(Interpreter&, const Value& operand, const Arguments& arguments) {
  Bound("abs", arguments, {});
  if (const auto number = operand.integer()) return *number < 0 ? negated(*number) : Value(*number);
  if (const auto number = operand.number()) return std::abs(*number);
  raise("bad operand type for abs(): '{}'", operand.type_name());
}

std::optional<int64_t> truncated(double number) {
  if (std::isnan(number) || std::isinf(number)) return std::nullopt;
  if (std::abs(number) >= 9.2e18) {
    throw Fault{ErrorKind::exhausted, "an integer does not fit 64 bits"};
  }
  return static_cast<int64_t>(number);
}

Value as_integer(Interpreter&, const Value& operand, const Arguments& arguments) {
  const Bound bound("int", arguments, {"default", "base"});
  const Value otherwise = bound.value_or(0, 0);
  if (operand.is_undefined()) raise_undefined(operand);
  if (const std::string* text = operand.string()) {
    if (const auto number = parse_integer(*text, bound.integer_or(1, 10))) return *number;
    const auto number = parse_float(*text);
    const auto whole = number ? truncated(*number) : std::nullopt;
    return whole ? Value(*whole) : otherwise;
  }
  if (const auto number = operand.integer()) return *number;
  if (const auto number = operand.number()) {
    if (std::isinf(*number)) raise("cannot convert float infinity to integer");
    const auto whole = truncated(*number);
    return whole ? Value(*whole) : otherwise;
  }
  return otherwise;
}

Value as_float(Interpreter&, const Value& operand, const Arguments& arguments) {
  const Bound bound("float", arguments, {"default"});
  if (operand.is_undefined()) raise_undefined(operand);
  if (const auto number = operand.number()) return *number;
  if (const std::string* text = operand.string()) {
    if (const auto number = parse_float(*text)) return *number;
  }
  return bound.value_or(0, 0.0);
}

// To the nearest multiple of 10^-precision as the decimal digits of the exact value say, ties to
// even: Python's round().
double rounded(double number, int64_t precision) {
  if (!std::isfinite(number) || precision > 300) return number;
  if (precision >= 0) return *parse_float(fmt::format("{:.{}f}", number, precision));
  if (precision < -308) return std::copysign(0.0, number);
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(number / unit) * unit;
}

// The same of an integer, which a double need not hold: to a multiple of 10^places.
int64_t rounded_integer(int64_t number, int64_t places) {
  if (places > 19) return 0;  // half of 10^20 is beyond 64 bits
  uint64_t unit = 1;
  for (int64_t i = 0; i < places; ++i) unit *= 10;
  const uint64_t sign = number < 0 ? 1 : 0;
  const auto bits = static_cast<uint64_t>(number);
  const uint64_t magnitude = sign != 0 ? 0 - bits : bits;
  const uint64_t rest = magnitude % unit;
  uint64_t result = magnitude - rest;
  const bool odd = magnitude / unit % 2 != 0;
  if (rest > unit - rest || (rest == unit - rest && odd)) {
    const uint64_t most = static_cast<uint64_t>(INT64_MAX) + sign;
    if (unit > most || result > most - unit) {
      throw Fault{ErrorKind::exhausted, "an integer does not fit 64 bits"};
    }
    result += unit;
  }
  return static_cast<int64_t>(sign != 0 ? 0 - result : result);
}

Value round_number(Interpreter&, const Value& operand, const Arguments& arguments) {
  const Bound bound("round", arguments, {"precision", "method"});
  const int64_t precision = bound.integer_or(0, 0);
  const std::string method = bound.has(1) ? bound.text(1) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    raise("method must be common, ceil or floor");
  }
  if (operand.is_undefined()) raise_undefined(operand);
  if (!operand.number()) raise("type {} doesn't define __round__ method", operand.type_name());
  if (method == "common") {
    if (!operand.integer()) return rounded(*operand.number(), precision);
    if (precision >= 0) return *operand.integer();
    return rounded_integer(*operand.integer(), precision < -20 ? 20 : -precision);
  }
  // An integer times a power of ten is whole.
  if (operand.integer() && precision >= 0) return static_cast<double>(*operand.integer());
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = *operand.number() * unit;
  if (!std::isfinite(scaled)) raise("cannot convert float to integer");
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit;
}

Value json_text(Interpreter& interpreter, const Value& operand, const Arguments& arguments) {
  const Bound bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  Budget& budget = interpreter.budget();
  JsonFormat format;
  format.ensure_ascii = bound.truth_or(0, false);
  format.sort_keys = bound.truth_or(3, false);
  if (bound.has(1) && !bound.at(1).is_none()) {
    if (const std::string* text = bound.at(1).string()) {
      format.indent = *text;
    } else {
      const int64_t width = std::max<int64_t>(bound.integer_or(1, 0), 0);
      budget.string(width);
      format.indent = std::string(static_cast<size_t>(width), ' ');
    }
    format.item_separator.assign(1, ',');
  }
  if (bound.has(2) && !bound.at(2).is_none()) {
    const std::vector<Value> pair = iterate(budget, bound.at(2));
    if (pair.size() != 2 || !pair[0].string() || !pair[1].string()) {
      raise("tojson(): separators must be two strings");
    }
    format.item_separator = *pair[0].string();
    format.key_separator = *pair[1].string();
  }
  return to_json(budget, operand, format);
}

constexpr std::array<Filter, 5> kNumberFilters = {{
    {"abs", absolute},
    {"float", as_float},
    {"int", as_integer},
    {"round", round_number},
    {"tojson", json_text},
}};

}  // namespace

std::span<const Filter> number_filters() { return kNumberFilters; }

const Filter* find_filter(std::string_view name) {
  for (const auto list :
       {text_filters(), sequence_filters(), selection_filters(), number_filters()}) {
    const auto found = std::ranges::find(list, name, &Filter::name);
    if (found != list.end()) return &*found;
  }
  return nullptr;
}

}  // namespace cadre::text::jinja
