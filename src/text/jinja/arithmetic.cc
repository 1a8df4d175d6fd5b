// Arithmetic and slices. Integers have 64 bits here; what would not fit ends in a Fault.
#include <algorithm>
#include <cmath>
#include <limits>

#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace cadre::text::jinja {
namespace {

[[noreturn]] void raise_too_large() {
  throw Fault{ErrorKind::exhausted, "an integer does not fit 64 bits"};
}

const char* symbol(Binary op) {
  constexpr const char* kSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};
  return kSymbols[static_cast<int>(op)];
}

[[noreturn]] void raise_operands(Binary op, const Value& a, const Value& b) {
  raise("unsupported operand type(s) for {}: '{}' and '{}'", symbol(op), a.type_name(),
        b.type_name());
}

int64_t floor_quotient(int64_t a, int64_t b) {
  if (b == 0) raise("integer division or modulo by zero");
  if (b == -1) {
    if (a == std::numeric_limits<int64_t>::min()) raise_too_large();
    return -a;
  }
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

int64_t floor_remainder(int64_t a, int64_t b) {
  if (b == 0) raise("integer modulo by zero");
  if (b == -1) return 0;
  const int64_t remainder = a % b;
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

double float_remainder(double a, double b) {
  if (b == 0.0) raise("float modulo");
  const double remainder = std::fmod(a, b);
  if (remainder == 0.0) return std::copysign(0.0, b);
  return (remainder < 0.0) != (b < 0.0) ? remainder + b : remainder;
}

Value float_power(double a, double b) {
  if (a == 0.0 && b < 0.0) raise("0.0 cannot be raised to a negative power");
  if (a < 0.0 && std::isfinite(b) && b != std::floor(b)) {
    raise("a negative number to a fractional power is complex");
  }
  const double power = std::pow(a, b);
  if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) raise("result too large");
  return power;
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return float_power(static_cast<double>(base), static_cast<double>(exponent));
  int64_t power = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1 && __builtin_mul_overflow(power, base, &power)) raise_too_large();
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) raise_too_large();
  }
  return power;
}

Value on_integers(Binary op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Binary::add:
      if (__builtin_add_overflow(a, b, &result)) raise_too_large();
      return result;
    case Binary::subtract:
      if (__builtin_sub_overflow(a, b, &result)) raise_too_large();
      return result;
    case Binary::multiply:
      if (__builtin_mul_overflow(a, b, &result)) raise_too_large();
      return result;
    case Binary::divide:
      if (b == 0) raise("division by zero");
      return static_cast<double>(a) / static_cast<double>(b);
    case Binary::floor_divide:
      return floor_quotient(a, b);
    case Binary::modulo:
      return floor_remainder(a, b);
    case Binary::power:
      break;
  }
  return integer_power(a, b);
}

Value on_floats(Binary op, double a, double b) {
  switch (op) {
    case Binary::add:
      return a + b;
    case Binary::subtract:
      return a - b;
    case Binary::multiply:
      return a * b;
    case Binary::divide:
      if (b == 0.0) raise("float division by zero");
      return a / b;
    case Binary::floor_divide: {
      if (b == 0.0) raise("float floor division by zero");
      return std::floor((a - float_remainder(a, b)) / b + 0.5);
    }
    case Binary::modulo:
      return float_remainder(a, b);
    case Binary::power:
      break;
  }
  return float_power(a, b);
}

Value repeated(Budget& budget, const Value& value, int64_t times) {
  times = std::max<int64_t>(times, 0);
  if (const std::string* text = value.string()) {
    int64_t size = 0;
    if (__builtin_mul_overflow(static_cast<int64_t>(text->size()), times, &size)) {
      raise_too_large();
    }
    budget.string(size);
    std::string out;
    out.reserve(static_cast<size_t>(size));
    for (int64_t i = 0; i < times && !text->empty(); ++i) out += *text;
    return out;
  }
  const std::vector<Value>& items = *value.sequence();
  int64_t size = 0;
  if (__builtin_mul_overflow(static_cast<int64_t>(items.size()), times, &size)) raise_too_large();
  budget.items(size);
  std::vector<Value> out;
  for (int64_t i = 0; i < times && !items.empty(); ++i) {
    out.insert(out.end(), items.begin(), items.end());
  }
  return value.list() ? Value::list(budget, std::move(out)) : Value::tuple(budget, std::move(out));
}

Value joined(Budget& budget, const Value& a, const Value& b) {
  if (a.string() && b.string()) {
    budget.string(static_cast<int64_t>(a.string()->size() + b.string()->size()));
    return *a.string() + *b.string();
  }
  const bool lists = a.list() && b.list();
  if (!lists && !(a.tuple() && b.tuple())) raise_operands(Binary::add, a, b);
  budget.items(static_cast<int64_t>(a.sequence()->size() + b.sequence()->size()));
  std::vector<Value> items = *a.sequence();
  items.insert(items.end(), b.sequence()->begin(), b.sequence()->end());
  return lists ? Value::list(budget, std::move(items)) : Value::tuple(budget, std::move(items));
}

// A bound of a slice over `size` items, as slice.indices() of Python has it.
int64_t bound(const Value& value, int64_t otherwise, int64_t low, int64_t high, int64_t size) {
  if (value.is_none()) return otherwise;
  if (!value.integer()) raise("slice indices must be integers or None");
  int64_t at = *value.integer();
  if (at < 0) at = at < -size ? low : std::max(at + size, low);
  return std::clamp(at, low, high);
}

}  // namespace

Value apply(Budget& budget, Binary op, const Value& a, const Value& b) {
  if (op == Binary::modulo && a.string()) {
    return percent_format(budget, *a.string(), b);
  }
  if (a.is_undefined()) raise_undefined(a);
  if (b.is_undefined()) raise_undefined(b);
  if (a.integer() && b.integer()) return on_integers(op, *a.integer(), *b.integer());
  if (a.number() && b.number()) return on_floats(op, *a.number(), *b.number());
  if (op == Binary::add) return joined(budget, a, b);
  if (op == Binary::multiply) {
    if ((a.string() || a.sequence()) && b.integer()) return repeated(budget, a, *b.integer());
    if ((b.string() || b.sequence()) && a.integer()) return repeated(budget, b, *a.integer());
  }
  raise_operands(op, a, b);
}

Value negated(const Value& value) {
  if (value.is_undefined()) raise_undefined(value);
  if (const auto number = value.integer()) return on_integers(Binary::subtract, 0, *number);
  if (const auto number = value.number()) return -*number;
  raise("bad operand type for unary -: '{}'", value.type_name());
}

Value unchanged(const Value& value) {
  if (value.is_undefined()) raise_undefined(value);
  if (const auto number = value.integer()) return *number;
  if (value.number()) return value;
  raise("bad operand type for unary +: '{}'", value.type_name());
}

Value slice(Budget& budget, const Value& value, const Value& start, const Value& stop,
            const Value& step) {
  if (value.is_undefined()) raise_undefined(value);
  const std::string* text = value.string();
  const Range* range = value.get_if<Range>();
  if (!text && !value.sequence() && !range) {
    raise("'{}' object has no slices", value.type_name());
  }
  const int64_t size = *length(value);
  if (!step.is_none() && !step.integer()) {
    raise("slice indices must be integers or None");
  }
  const int64_t by = step.integer().value_or(1);
  if (by == 0) raise("slice step cannot be zero");
  if (by == std::numeric_limits<int64_t>::min()) raise_too_large();
  const int64_t low = by > 0 ? 0 : -1;
  const int64_t high = by > 0 ? size : size - 1;
  const int64_t first = bound(start, by > 0 ? low : high, low, high, size);
  const int64_t last = bound(stop, by > 0 ? high : low, low, high, size);
  const Range indices{first, last, by};
  const int64_t count = by > 0 ? (last > first ? (last - first - 1) / by + 1 : 0)
                               : (first > last ? (first - last - 1) / -by + 1 : 0);
  if (range) {
    int64_t stride = 0;
    constexpr int64_t kFar = int64_t{1} << 60;
    if (__builtin_mul_overflow(range->step, by, &stride) || std::abs(stride) > kFar) {
      raise_too_large();
    }
    return Range{range->at(first), range->at(last), stride};
  }
  if (text && by == 1) {
    const size_t begin = offset_of(*text, first);
    const size_t end = begin + offset_of(std::string_view(*text).substr(begin), last - first);
    budget.string(static_cast<int64_t>(text->size()));
    return text->substr(begin, end - begin);
  }
  if (text) {
    budget.items(size);
    const std::vector<std::string_view> list = characters(*text);
    std::string out;
    for (int64_t i = 0; i < count; ++i) out += list[static_cast<size_t>(indices.at(i))];
    return out;
  }
  std::vector<Value> items;
  for (int64_t i = 0; i < count; ++i) {
    items.push_back((*value.sequence())[static_cast<size_t>(indices.at(i))]);
  }
  return value.list() ? Value::list(budget, std::move(items))
                      : Value::tuple(budget, std::move(items));
}

}  // namespace cadre::text::jinja
