#include "core/io/toml.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/json_value.h"

namespace cadre::io {
namespace {

constexpr uint64_t kMaxFileBytes = 4 << 20;
constexpr int kMaxDepth = 32;

// The library builds and destroys dotted keys by recursion, without a limit; so count their dots
// first. Outside of strings a key ends at the line, '=', or a bracket.
void check_key_depth(std::string_view text, const std::string& file) {
  int64_t line = 1;
  int dots = 0;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      const bool block = text.substr(i, 3) == std::string(3, c);
      const std::string_view mark = text.substr(i, block ? 3 : 1);
      for (i += mark.size(); i < text.size() && text.substr(i, mark.size()) != mark; ++i) {
        if (text[i] == '\n') ++line;
        if (c == '"' && text[i] == '\\') ++i;
      }
      i += mark.size();
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '\n') ++line;
    if (c == '.') {
      if (++dots > kMaxDepth) {
        fail(ErrorKind::invalid_input, "{}:{}: a key is nested deeper than {} sections", file, line,
             kMaxDepth);
      }
    } else if (std::string_view("\n=,[]{}").find(c) != std::string_view::npos) {
      dots = 0;
    }
    ++i;
  }
}

class Flattener {
 public:
  Flattener(const std::string& file, std::vector<ConfigEntry>& entries)
      : file_(file), entries_(entries) {}

  void add_table(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      add_node(node, prefix.empty() ? name : prefix + "." + name);
    }
  }

 private:
  std::string where(const toml::node& node) const {
    return fmt::format("{}:{}", file_, node.source().begin.line);
  }
  void add(const toml::node& node, const std::string& key, ConfigValue value) {
    entries_.push_back({key, std::move(value), where(node)});
  }

  void add_node(const toml::node& node, const std::string& key) {
    if (const auto* table = node.as_table()) {
      add_table(*table, key);
    } else if (const auto* array = node.as_array()) {
      add_array(*array, key);
    } else if (const auto* flag = node.as_boolean()) {
      add(node, key, flag->get());
    } else if (const auto* integer = node.as_integer()) {
      add(node, key, integer->get());
    } else if (const auto* number = node.as_floating_point()) {
      add(node, key, number->get());
    } else if (const auto* text = node.as_string()) {
      add(node, key, text->get());
    } else {
      fail(ErrorKind::invalid_input,
           "{}: {} is a date or time, expected a number, a string, true, "
           "false or an array",
           where(node), key);
    }
  }

  void add_array(const toml::array& array, const std::string& key) {
    if (!array.empty() && array.is_homogeneous<toml::table>()) {
      size_t index = 0;
      for (const auto& node : array) {
        add_table(*node.as_table(), fmt::format("{}[{}]", key, index++));
      }
      return;
    }
    std::vector<std::string> texts;
    std::vector<double> numbers;
    for (const auto& node : array) {
      if (const auto text = node.value_exact<std::string>()) {
        texts.push_back(*text);
      } else if (node.is_number()) {
        numbers.push_back(*node.value<double>());
      }
    }
    if (texts.size() == array.size()) {
      add(array, key, std::move(texts));
    } else if (numbers.size() == array.size()) {
      add(array, key, std::move(numbers));
    } else {
      fail(ErrorKind::invalid_input, "{}: {} must hold strings only, numbers only or tables only",
           where(array), key);
    }
  }

  const std::string& file_;
  std::vector<ConfigEntry>& entries_;
};

std::string double_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  CADRE_CHECK(error == std::errc());
  std::string text(buffer, end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

template <typename T, typename Text>
std::string list_text(const std::vector<T>& values, Text text) {
  std::string out = "[";
  for (const T& value : values) {
    if (out.size() > 1) out += ", ";
    out += text(value);
  }
  return out + "]";
}

// The section of "a.b.c" is "a.b"; its last part is "c".
std::string_view section_of(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : key.substr(0, dot);
}

}  // namespace

std::vector<ConfigEntry> parse_toml(std::string_view text, const std::string& file) {
  check_key_depth(text, file);
  std::vector<ConfigEntry> entries;
  try {
    const toml::table table = toml::parse(text, file);
    Flattener(file, entries).add_table(table, "");
  } catch (const toml::parse_error& error) {
    fail(ErrorKind::invalid_input, "{}:{}:{}: {}", file, error.source().begin.line,
         error.source().begin.column, error.description());
  }
  return entries;
}

std::vector<ConfigEntry> read_toml(const std::filesystem::path& path) {
  return parse_toml(read_text_file(path, kMaxFileBytes), path.string());
}

std::string toml_text(const ConfigValue& value) {
  struct Visitor {
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(int64_t integer) const { return std::to_string(integer); }
    std::string operator()(double number) const { return double_text(number); }
    // JSON's escapes are a subset of those of TOML's basic strings.
    std::string operator()(const std::string& text) const { return json_quote(text); }
    std::string operator()(const std::vector<std::string>& texts) const {
      return list_text(texts, json_quote);
    }
    std::string operator()(const std::vector<double>& numbers) const {
      return list_text(numbers, double_text);
    }
  };
  return std::visit(Visitor(), value);
}

std::string format_toml(const std::vector<ConfigEntry>& entries) {
  std::vector<std::string_view> sections = {""};
  for (const ConfigEntry& entry : entries) {
    const std::string_view section = section_of(entry.key);
    if (std::find(sections.begin(), sections.end(), section) == sections.end()) {
      sections.push_back(section);
    }
  }
  std::string out;
  for (const std::string_view section : sections) {
    if (!section.empty()) out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section);
    for (const ConfigEntry& entry : entries) {
      if (section_of(entry.key) != section) continue;
      const std::string_view key =
          std::string_view(entry.key).substr(section.empty() ? 0 : section.size() + 1);
      out += fmt::format("{} = {}\n", key, toml_text(entry.value));
    }
  }
  return out;
}

}  // namespace cadre::io
