// TOML configuration files as a flat list of keys and values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cadre::io {

// The kinds of values that configuration has. An empty array is an empty list of strings.
using ConfigValue =
    std::variant<bool, int64_t, double, std::string, std::vector<std::string>, std::vector<double>>;

// The value as TOML: true, 12, 0.5, "text", ["a", "b"]. A double always reads back as a double.
std::string toml_text(const ConfigValue& value);

struct ConfigEntry {
  std::string key;  // with its sections: "optimizer.lr", "sources[1].paths"
  ConfigValue value;
  std::string where;  // "run.toml:12"
};

// All keys of the text in alphabetical order of sections. Throws Error(invalid_input)
// `file:line: ...` for what is not TOML 1.0, for dates, for arrays of mixed or nested values, and
// for keys nested deeper than 32 sections.
std::vector<ConfigEntry> parse_toml(std::string_view text, const std::string& file);

// The same from a file of at most 4 MiB. Throws Error(not_found) if there is none.
std::vector<ConfigEntry> read_toml(const std::filesystem::path& path);

// Entries as a TOML file that parse_toml reads back: keys without a section first, then sections in
// the order in which they appear.
std::string format_toml(const std::vector<ConfigEntry>& entries);

}  // namespace cadre::io
