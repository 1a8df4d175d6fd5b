// Ranges and multiples of decimal numbers as regular languages.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/io/json_value.h"
#include "text/grammar/char_dfa.h"

namespace cadre::text::grammar {

// A number as it is written, without exponent: -12.5 is {true, "12", "5"}. No leading zeros but in
// "0", no trailing zeros in the fraction.
struct Decimal {
  bool negative = false;
  std::string whole = "0";
  std::string fraction;
  bool is_zero() const { return whole == "0" && fraction.empty(); }
};

// The shortest decimal that reads back as the number; nothing if the value is no number.
std::optional<Decimal> decimal_of(const io::JsonValue& value);
// < 0, 0 or > 0 as a is less than b, equal, or greater.
int compare(const Decimal& a, const Decimal& b);

struct NumberBounds {
  bool integer = false;  // without fraction and exponent
  std::optional<Decimal> min;
  std::optional<Decimal> max;
  bool above_min = false;  // min itself is out
  bool below_max = false;
  std::optional<Decimal> multiple_of;  // > 0
  bool any() const { return min || max || multiple_of; }
};

// Texts of JSON numbers within the bounds, of at most 18 digits before the point and 18 behind it;
// with an exponent below 200 if there are no bounds. With a multiple_of of hundreds the digits
// before the point may be fewer, at least 9, and with one of thousands they are not counted at all.
// Throws Error(unsupported) for a multiple_of that would need too many states.
CharDfa number_automaton(const NumberBounds& bounds, std::string_view where,
                         const GrammarLimits& limits, WorkBudget& budget);

}  // namespace cadre::text::grammar
