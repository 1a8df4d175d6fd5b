#include "cli/human.h"

#include <fmt/core.h>

#include <cmath>

namespace cadre::cli {
namespace {

// value < 1000 with three significant digits.
std::string three_digits(double value) {
  return value < 9.995   ? fmt::format("{:.2f}", value)
         : value < 99.95 ? fmt::format("{:.1f}", value)
                         : fmt::format("{:.0f}", value);
}

std::string scaled(double value, double base, const char* const (&units)[6]) {
  const double sign = value < 0.0 ? -1.0 : 1.0;
  double size = std::abs(value);
  int unit = 0;
  // 999.5 would be shown with four digits, so it is the next unit's.
  while (size >= 999.5 && unit < 5) {
    size /= base;
    ++unit;
  }
  const std::string digits =
      unit == 0 && size == std::floor(size) ? fmt::format("{:.0f}", size) : three_digits(size);
  return (sign < 0.0 ? "-" : "") + digits + units[unit];
}

}  // namespace

std::string human_count(double value) {
  return scaled(value, 1000.0, {"", "k", "M", "G", "T", "P"});
}

std::string human_bytes(double bytes) {
  return scaled(bytes, 1024.0, {" B", " KiB", " MiB", " GiB", " TiB", " PiB"});
}

std::string human_duration(double seconds) {
  if (!(seconds >= 0.0) || seconds > 1e10) return "?";
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  const int64_t minutes = whole / 60 % 60, hours = whole / 3600 % 24, days = whole / 86400;
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", minutes, whole % 60);
  if (days == 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{} d {:02}:{:02}", days, hours, minutes);
}

std::string grouped(int64_t value) {
  const std::string digits = fmt::format("{}", value);
  const size_t first = value < 0 ? 1 : 0;
  std::string text;
  for (size_t at = 0; at < digits.size(); ++at) {
    const bool boundary = at > first && (digits.size() - at) % 3 == 0;
    if (boundary) text += ',';
    text += digits[at];
  }
  return text;
}

}  // namespace cadre::cli
