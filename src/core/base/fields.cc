#include "core/base/fields.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "core/base/error.h"

namespace cadre {
namespace {

// Levenshtein distance with one row of memory.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view unknown, const std::vector<std::string>& known) {
  const auto nearer = [&](const std::string& a, const std::string& b) {
    return edit_distance(unknown, a) < edit_distance(unknown, b);
  };
  const auto best = std::min_element(known.begin(), known.end(), nearer);
  return best == known.end() ? std::string() : *best;
}

std::string near_name(std::string_view unknown, const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(unknown, known);
  const size_t letters = unknown.size() - std::min(unknown.find_first_not_of('-'), unknown.size());
  return edit_distance(unknown, nearest) <= (letters + 2) / 3 ? nearest : std::string();
}

void check_interval(std::string_view where, std::string_view key, double value, Interval interval) {
  if (!(value >= interval.low && value <= interval.high)) {
    fail(ErrorKind::invalid_input, "{}: {} = {}, expected {} to {}", where, key, value,
         interval.low, interval.high);
  }
}

void check_choice(std::string_view where, std::string_view key, const std::string& value,
                  const Choices& choices) {
  if (std::find(choices.names.begin(), choices.names.end(), value) == choices.names.end()) {
    fail(ErrorKind::invalid_input, "{}: {} = \"{}\", expected one of {}", where, key, value,
         fmt::join(choices.names, ", "));
  }
}

void fail_unknown_key(std::string_view where, std::string_view key,
                      const std::vector<std::string>& known) {
  fail(ErrorKind::invalid_input, "{}: unknown key \"{}\"; did you mean \"{}\"?", where, key,
       nearest_name(key, known));
}

}  // namespace cadre
