// Numbers as Python writes and reads them.
#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "text/jinja/python_text.h"

namespace cadre::text::jinja {
namespace {

// Underscores may stand between digits, and nowhere else.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto alphanumeric = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    if (i == 0 || i + 1 == text.size() || !alphanumeric(text[i - 1]) ||
        !alphanumeric(text[i + 1])) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

// The shortest digits that read back as the same number, in the layout of Python's repr.
std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific);
  const std::string_view written(buffer.data(), static_cast<size_t>(end.ptr - buffer.data()));
  const size_t e = written.find('e');
  int exponent = 0;
  const char* digits_of_exponent = written.data() + e + (written[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, end.ptr, exponent);
  std::string digits;
  for (const char c : written.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const std::string sign = std::signbit(value) ? "-" : "";
  const auto count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}{}{}{}e{}{:02d}", sign, digits[0], count > 1 ? "." : "", digits.substr(1),
                       exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) {
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  }
  if (count <= exponent + 1) {
    return sign + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  }
  const auto point = static_cast<size_t>(exponent + 1);
  return sign + digits.substr(0, point) + "." + digits.substr(point);
}

std::optional<int64_t> parse_integer(std::string_view text, int64_t base) {
  text = strip(text, Side::both);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  if (text.size() > 1 && text[0] == '0') {
    const char kind = static_cast<char>(text[1] | 0x20);
    const int64_t marked = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (marked != 0 && (base == 0 || base == marked)) {
      base = marked;
      text.remove_prefix(2);
      if (text.starts_with('_')) text.remove_prefix(1);
    } else if (base == 0 && text.find_first_not_of("0_") != std::string_view::npos) {
      return std::nullopt;
    }
  }
  if (base == 0) base = 10;
  const auto digits = without_underscores(text);
  if (!digits || digits->empty()) return std::nullopt;
  uint64_t number = 0;
  const auto result = std::from_chars(digits->data(), digits->data() + digits->size(), number,
                                      static_cast<int>(base));
  if (result.ec != std::errc() || result.ptr != digits->data() + digits->size() ||
      digits->front() == '-') {
    return std::nullopt;
  }
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (number > kMost) return std::nullopt;
  return negative ? -static_cast<int64_t>(number) : static_cast<int64_t>(number);
}

std::optional<double> parse_float(std::string_view text) {
  const auto digits = without_underscores(strip(text, Side::both));
  if (!digits || digits->empty()) return std::nullopt;
  std::string_view number = *digits;
  const bool negative = number.starts_with('-');
  if (negative || number.starts_with('+')) number.remove_prefix(1);
  if (number.empty()) return std::nullopt;
  const std::string name = lower(number);
  double value = 0.0;
  if (name == "inf" || name == "infinity") {
    value = std::numeric_limits<double>::infinity();
  } else if (name == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    if (number[0] != '.' && (number[0] < '0' || number[0] > '9')) return std::nullopt;
    const auto result = std::from_chars(number.data(), number.data() + number.size(), value);
    if (result.ptr != number.data() + number.size() || result.ec == std::errc::invalid_argument) {
      return std::nullopt;
    }
    if (result.ec == std::errc::result_out_of_range) {
      const bool tiny = number.find("e-") != std::string_view::npos ||
                        number.find("E-") != std::string_view::npos;
      value = tiny ? 0.0 : std::numeric_limits<double>::infinity();
    }
  }
  return negative ? -value : value;
}

}  // namespace cadre::text::jinja
