#include "text/grammar/schema_numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/base/error.h"
#include "text/grammar/pattern.h"

namespace cadre::text::grammar {
namespace {

constexpr size_t kDigits = 18;
constexpr int64_t kMaxModulus = 15'000;
const std::string kAnyFraction = R"((\.\d+)?)";

std::string digit_range(char low, char high) {
  if (low > high) return "";
  return low == high ? std::string(1, low) : std::string("[") + low + "-" + high + "]";
}

std::string any_digits(size_t count) {
  return count == 0 ? "" : R"(\d{)" + std::to_string(count) + "}";
}

// Alternatives of an expression; none is an expression that matches nothing.
class Alternatives {
 public:
  void add(std::string text) {
    if (!text_.empty()) text_ += "|";
    text_ += std::move(text);
  }
  std::string str() const { return text_.empty() ? "[]" : "(" + text_ + ")"; }

 private:
  std::string text_;
};

// Whole numbers without leading zeros, greater than the one given.
std::string whole_above(const std::string& n) {
  Alternatives out;
  for (size_t i = 0; i < n.size(); ++i) {
    const std::string digits = n[i] == '9' ? "" : digit_range(static_cast<char>(n[i] + 1), '9');
    if (digits.empty()) continue;
    out.add(n.substr(0, i) + digits + any_digits(n.size() - i - 1));
  }
  if (n.size() < kDigits) {
    out.add(R"([1-9]\d{)" + std::to_string(n.size()) + "," + std::to_string(kDigits - 1) + "}");
  }
  return n.size() > kDigits ? "[]" : out.str();
}

std::string whole_below(const std::string& n) {
  if (n.size() > kDigits) return R"((0|[1-9]\d*))";
  Alternatives out;
  for (size_t i = 0; i < n.size(); ++i) {
    const char low = i == 0 && n.size() > 1 ? '1' : '0';
    const std::string digits = n[i] == '0' ? "" : digit_range(low, static_cast<char>(n[i] - 1));
    if (digits.empty()) continue;
    out.add(n.substr(0, i) + digits + any_digits(n.size() - i - 1));
  }
  if (n.size() > 1) out.add(R"((0|[1-9]\d{0,)" + std::to_string(n.size() - 2) + "})");
  return out.str();
}

// Fractions, with their point and perhaps absent, at least or at most 0.f.
std::string fraction_from(const std::string& f, bool strict) {
  if (f.empty()) return strict ? R"(\.\d*[1-9]\d*)" : kAnyFraction;
  Alternatives out;
  for (size_t i = 0; i < f.size(); ++i) {
    if (f[i] == '9') continue;
    out.add(f.substr(0, i) + digit_range(static_cast<char>(f[i] + 1), '9') + R"(\d*)");
  }
  out.add(f + (strict ? R"(\d*[1-9]\d*)" : R"(\d*)"));
  return R"(\.)" + out.str();
}

std::string fraction_to(const std::string& f, bool strict) {
  if (f.empty()) return strict ? "[]" : R"((\.0+)?)";
  Alternatives out;
  for (size_t i = 0; i < f.size(); ++i) {
    if (i > 0) out.add(f.substr(0, i));
    if (f[i] != '0') {
      out.add(f.substr(0, i) + digit_range('0', static_cast<char>(f[i] - 1)) + R"(\d*)");
    }
  }
  if (!strict) out.add(f + "0*");
  return R"((\.)" + out.str() + ")?";
}

std::string magnitude_from(const Decimal& n, bool strict) {
  return "(" + whole_above(n.whole) + kAnyFraction + "|" + n.whole +
         fraction_from(n.fraction, strict) + ")";
}

std::string magnitude_to(const Decimal& n, bool strict) {
  return "(" + whole_below(n.whole) + kAnyFraction + "|" + n.whole +
         fraction_to(n.fraction, strict) + ")";
}

const std::string kAnyMagnitude = R"((0|[1-9]\d*)(\.\d+)?)";

std::string at_least(const Decimal& n, bool strict) {
  if (n.negative) return kAnyMagnitude + "|-" + magnitude_to(n, strict);
  return magnitude_from(n, strict);
}

std::string at_most(const Decimal& n, bool strict) {
  if (n.negative) return "-" + magnitude_from(n, strict);
  if (n.is_zero() && strict) return "-" + magnitude_from(n, true);
  return "-" + kAnyMagnitude + "|" + magnitude_to(n, strict);
}

// The digits of m as an integer, which is k below.
int64_t modulus_of(const Decimal& m, std::string_view where) {
  const auto places = static_cast<int64_t>(m.fraction.size());
  const std::string digits = m.whole + m.fraction;
  int64_t k = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), k);
  // Divided, for the product may be beyond any integer.
  if (error != std::errc() || k <= 0 || k > kMaxModulus / (places + 2)) {
    fail(ErrorKind::unsupported,
         "{}: multipleOf {}.{} is not supported, expected at most {} without its point", where,
         m.whole, m.fraction, kMaxModulus / (places + 2));
  }
  return k;
}

// Decimals that are multiples of m: the remainder of the digits so far, and how many of them stand
// behind the point. With m = k / 10^d, a number of f <= d digits behind the point is a multiple if
// its digits times 10^(d-f) are one of k; digits beyond d have to be zeros.
CharDfa multiples(const Decimal& m, int64_t k) {
  const auto places = static_cast<int64_t>(m.fraction.size());
  // State 0: nothing yet; 1: a sign; then k states for each number of digits behind the point, 0
  // to `places`.
  CharDfa dfa;
  for (char digit = '0'; digit <= '9'; ++digit) {
    dfa.classes.push_back(CharSet::of(static_cast<char32_t>(digit)));
  }
  dfa.classes.push_back(CharSet::of('-'));
  dfa.classes.push_back(CharSet::of('.'));
  constexpr size_t kMinus = 10;
  constexpr size_t kPoint = 11;
  constexpr size_t kWidth = 12;
  // With the point but no digit behind it, `behind` is 0 again: these states stand at the end.
  const auto state_of = [&](int64_t behind, int64_t remainder) {
    return static_cast<int32_t>(2 + behind * k + remainder);
  };
  const int64_t count = 2 + (places + 2) * k;
  dfa.accept.assign(static_cast<size_t>(count), 0);
  dfa.next.assign(static_cast<size_t>(count) * kWidth, -1);
  const auto cell = [&](int32_t state, size_t column) -> int32_t& {
    return dfa.next[static_cast<size_t>(state) * kWidth + column];
  };
  cell(0, kMinus) = 1;
  for (int64_t digit = 0; digit < 10; ++digit) {
    for (const int32_t start : {0, 1})
      cell(start, static_cast<size_t>(digit)) = state_of(0, digit % k);
  }
  for (int64_t remainder = 0; remainder < k; ++remainder) {
    const int32_t point = state_of(places + 1, remainder);
    cell(state_of(0, remainder), kPoint) = point;
    for (int64_t digit = 0; digit < 10; ++digit) {
      const auto column = static_cast<size_t>(digit);
      const int64_t next = (remainder * 10 + digit) % k;
      cell(state_of(0, remainder), column) = state_of(0, next);
      if (places > 0) {
        cell(point, column) = state_of(1, next);
      } else if (digit == 0) {
        cell(point, column) = point;
      }
      for (int64_t behind = 1; behind <= places; ++behind) {
        int32_t& to = cell(state_of(behind, remainder), column);
        if (behind < places) to = state_of(behind + 1, next);
        if (behind == places && digit == 0) to = state_of(behind, remainder);
      }
    }
    int64_t scaled = remainder;
    for (int64_t behind = places; behind >= 0; --behind) {
      dfa.accept[static_cast<size_t>(state_of(behind, remainder))] = scaled == 0 ? 1 : 0;
      scaled = scaled * 10 % k;
    }
    // Without places of its own, the state behind the point has zeros only.
    dfa.accept[static_cast<size_t>(point)] = places == 0 && remainder == 0 ? 1 : 0;
  }
  return dfa;
}

}  // namespace

std::optional<Decimal> decimal_of(const io::JsonValue& value) {
  std::string text;
  if (const auto* integer = value.get_if<int64_t>()) {
    text = std::to_string(*integer);
  } else if (const auto* number = value.get_if<double>()) {
    if (!std::isfinite(*number)) return std::nullopt;
    std::array<char, 1200> buffer;
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), *number,
                                            std::chars_format::fixed);
    CADRE_CHECK(error == std::errc());
    text.assign(buffer.data(), end);
  } else {
    return std::nullopt;
  }
  Decimal decimal;
  decimal.negative = text.starts_with('-');
  if (decimal.negative) text.erase(0, 1);
  const size_t point = std::min(text.find('.'), text.size());
  decimal.whole = text.substr(0, point);
  decimal.fraction = text.substr(std::min(point + 1, text.size()));
  while (decimal.fraction.ends_with('0')) decimal.fraction.pop_back();
  if (decimal.is_zero()) decimal.negative = false;
  return decimal;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  const int sign = a.negative ? -1 : 1;
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -sign : sign;
  if (const int whole = a.whole.compare(b.whole); whole != 0) return whole < 0 ? -sign : sign;
  const int fraction = a.fraction.compare(b.fraction);
  return fraction == 0 ? 0 : fraction < 0 ? -sign : sign;
}

CharDfa number_automaton(const NumberBounds& bounds, std::string_view where,
                         const GrammarLimits& limits, WorkBudget& budget) {
  const auto automaton = [&](const std::string& pattern) {
    return pattern_automaton(pattern, Anchoring::whole, where, limits, budget);
  };
  // Numbers of at most `digits` before the point, or of any length.
  const auto within = [&](std::optional<size_t> digits) {
    const std::string more = digits ? "{0," + std::to_string(*digits - 1) + "}" : "*";
    std::string format = R"(-?(0|[1-9]\d)" + more + ")";
    if (!bounds.integer) format += digits ? R"((\.\d{1,18})?)" : R"((\.\d+)?)";
    if (!bounds.integer && !bounds.any()) format += R"(([eE][+-]?1?\d{1,2})?)";
    CharDfa result = automaton(format);
    const auto restrict_to = [&](const CharDfa& other) {
      result = intersection(result, other, limits, budget);
    };
    if (bounds.min) restrict_to(automaton(at_least(*bounds.min, bounds.above_min)));
    if (bounds.max) restrict_to(automaton(at_most(*bounds.max, bounds.below_max)));
    return result;
  };
  if (!bounds.multiple_of) return within(kDigits);
  // Counting digits takes a state for each of them and each remainder, but for digits behind those
  // of the divisor, which are zeros. Fewer digits are counted if the states are too many, and none
  // if few would be left.
  const int64_t k = modulus_of(*bounds.multiple_of, where);
  const CharDfa divisible = multiples(*bounds.multiple_of, k);
  const int64_t room = limits.max_dfa_states / k;
  constexpr int64_t kFewest = 9;
  constexpr auto kMost = static_cast<int64_t>(kDigits);
  const auto places = static_cast<int64_t>(bounds.multiple_of->fraction.size());
  const int64_t zeros = bounds.integer ? 0 : std::max<int64_t>(0, kMost - places);
  const int64_t digits = std::min(kMost, room - places - 5);
  if (digits >= kFewest) {
    const CharDfa counted = within(static_cast<size_t>(digits));
    if (counted.states() - zeros <= room) return intersection(counted, divisible, limits, budget);
  }
  return intersection(within(std::nullopt), divisible, limits, budget);
}

}  // namespace cadre::text::grammar
