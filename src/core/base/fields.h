// Configuration structs that list their fields once.
//
// A component keeps a plain struct with defaults and a member template
//
//   void visit_fields(auto&& field) {
//     field("temperature", temperature, Interval{0.0, 10.0}, "0 takes the most likely token");
//     field("name", name, "shown in the report");
//   }
//
// Command-line flags, configuration files, --help, validation and the copy in checkpoints are
// visitors of that list. Field types: bool, int64_t, double, std::string and vectors of strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cadre {

// The closed interval of values that a numeric field accepts.
struct Interval {
  double low;
  double high;
};

// The names that a string field accepts.
struct Choices {
  std::vector<std::string> names;
};

// The known name that is nearest to an unknown one by edit distance; empty if known is empty.
std::string nearest_name(std::string_view unknown, const std::vector<std::string>& known);
// The same, but empty too if more than a third of its letters would have to change.
std::string near_name(std::string_view unknown, const std::vector<std::string>& known);

// Throws Error(invalid_input): `where: key = value, expected low to high`.
void check_interval(std::string_view where, std::string_view key, double value, Interval interval);
void check_choice(std::string_view where, std::string_view key, const std::string& value,
                  const Choices& choices);

// Throws Error(invalid_input): `where: unknown key "x"; did you mean "y"?`.
[[noreturn]] void fail_unknown_key(std::string_view where, std::string_view key,
                                   const std::vector<std::string>& known);

}  // namespace cadre
