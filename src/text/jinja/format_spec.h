// The notation of one replaced value, in "%-8.2f" as in "{:>8,.2f}".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace cadre::text::jinja {

struct FormatSpec {
  std::string fill = " ";
  char align = 0;  // one of "<>=^", or 0 for that of the type
  char sign = '-';
  bool alternate = false;
  int64_t width = 0;
  char grouping = 0;  // ',' or '_'
  int64_t precision = -1;
  char type = 0;
};

// Throws Fault for what Python refuses.
FormatSpec parse_format_spec(const Budget& budget, std::string_view text);
std::string format_value(Budget& budget, const Value& value, const FormatSpec& spec);
// A number of digits at text[at], which moves behind them; -1 if there is none.
int64_t parse_width(const Budget& budget, std::string_view text, size_t& at);

}  // namespace cadre::text::jinja
