#include "core/io/fields_io.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "core/base/error.h"

namespace cadre::io {
namespace {

[[noreturn]] void fail_value(const Field& field, std::string_view value, std::string_view where) {
  fail(ErrorKind::invalid_input, "{}: {} = {}, expected {}", where, field.name, value,
       field_type(field));
}

// The value as the type of the field, if that loses nothing.
template <typename T>
std::optional<T> convert(const ConfigValue& value) {
  if (const T* same = std::get_if<T>(&value)) return *same;
  if constexpr (std::is_same_v<T, double>) {
    if (const auto* integer = std::get_if<int64_t>(&value)) return static_cast<double>(*integer);
  }
  if constexpr (std::is_same_v<T, int64_t>) {
    const auto* number = std::get_if<double>(&value);
    if (number != nullptr && std::trunc(*number) == *number && std::fabs(*number) <= 0x1p53) {
      return static_cast<int64_t>(*number);
    }
  }
  if constexpr (std::is_same_v<T, std::vector<double>>) {
    const auto* texts = std::get_if<std::vector<std::string>>(&value);
    if (texts != nullptr && texts->empty()) return std::vector<double>();
  }
  return std::nullopt;
}

bool within(const Field& field, const ConfigValue& value) {
  if (const auto* text = std::get_if<std::string>(&value);
      text != nullptr && !field.choices.empty()) {
    return std::find(field.choices.begin(), field.choices.end(), *text) != field.choices.end();
  }
  std::vector<double> numbers;
  if (const auto* integer = std::get_if<int64_t>(&value)) numbers = {static_cast<double>(*integer)};
  if (const auto* number = std::get_if<double>(&value)) numbers = {*number};
  if (const auto* list = std::get_if<std::vector<double>>(&value)) numbers = *list;
  return std::all_of(numbers.begin(), numbers.end(), [&](double x) {
    if (std::isnan(x)) return false;
    return !field.interval || (x >= field.interval->low && x <= field.interval->high);
  });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <typename T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// An integer, with a suffix k, M, G or T for powers of 1024, or as a whole double (1e6).
std::optional<ConfigValue> integer_from_text(std::string_view text) {
  constexpr std::string_view kSuffixes = "kMGT";
  const size_t power = text.empty() ? std::string_view::npos : kSuffixes.find(text.back());
  if (power != std::string_view::npos) {
    auto value = whole_number<int64_t>(text.substr(0, text.size() - 1));
    const int64_t scale = int64_t{1} << (10 * (power + 1));
    if (!value || __builtin_mul_overflow(*value, scale, &*value)) return std::nullopt;
    return ConfigValue(*value);
  }
  if (const auto integer = whole_number<int64_t>(text)) return ConfigValue(*integer);
  if (const auto number = whole_number<double>(text)) return ConfigValue(*number);
  return std::nullopt;
}

std::optional<ConfigValue> flag_from_text(std::string_view text) {
  for (const std::string_view yes : {"true", "on", "yes", "1"}) {
    if (text == yes) return ConfigValue(true);
  }
  for (const std::string_view no : {"false", "off", "no", "0"}) {
    if (text == no) return ConfigValue(false);
  }
  return std::nullopt;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  while (!trim(text).empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    parts.emplace_back(trim(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

// The value that the text stands for, for a field of type T.
template <typename T>
std::optional<ConfigValue> from_text(std::string_view text) {
  if constexpr (std::is_same_v<T, bool>) return flag_from_text(trim(text));
  if constexpr (std::is_same_v<T, int64_t>) return integer_from_text(trim(text));
  if constexpr (std::is_same_v<T, double>) {
    if (const auto number = whole_number<double>(trim(text))) return ConfigValue(*number);
    return std::nullopt;
  }
  if constexpr (std::is_same_v<T, std::string>) return ConfigValue(std::string(text));
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return ConfigValue(split_list(text));
  if constexpr (std::is_same_v<T, std::vector<double>>) {
    std::vector<double> numbers;
    for (const std::string& part : split_list(text)) {
      const auto number = whole_number<double>(part);
      if (!number) return std::nullopt;
      numbers.push_back(*number);
    }
    return ConfigValue(std::move(numbers));
  }
}

std::string interval_text(const Field& field) {
  if (!field.interval) return "";
  const auto bound = [](double x) {
    return std::fabs(x) < 0x1p53 && std::trunc(x) == x ? fmt::format("{:.0f}", x)
                                                       : fmt::format("{}", x);
  };
  if (field.interval->high >= 1e15) return " of at least " + bound(field.interval->low);
  return fmt::format(" from {} to {}", bound(field.interval->low), bound(field.interval->high));
}

JsonValue to_json(const ConfigValue& value) {
  return std::visit([](const auto& content) { return JsonValue(content); }, value);
}

// Sections of one level, gathered in order of first appearance.
JsonValue object_of(const std::vector<std::pair<std::string, JsonValue>>& members) {
  JsonValue object = JsonValue::object();
  std::vector<std::string> sections;
  std::map<std::string, std::vector<std::pair<std::string, JsonValue>>> inner;
  for (const auto& [name, value] : members) {
    const size_t dot = name.find('.');
    if (dot == std::string::npos) {
      object.set(name, value);
      continue;
    }
    const std::string section = name.substr(0, dot);
    if (inner.find(section) == inner.end()) object.set(section, JsonValue());  // keeps the order
    inner[section].emplace_back(name.substr(dot + 1), value);
  }
  for (const auto& [section, content] : inner) object.set(section, object_of(content));
  return object;
}

}  // namespace

void set_field(const Field& field, const ConfigValue& value, std::string_view where) {
  std::visit(
      [&](auto* target) {
        using T = std::remove_pointer_t<decltype(target)>;
        std::optional<T> converted = convert<T>(value);
        if (!converted || !within(field, ConfigValue(*converted)))
          fail_value(field, toml_text(value), where);
        *target = std::move(*converted);
      },
      field.target);
}

void set_field_from_text(const Field& field, std::string_view text, std::string_view where) {
  const auto value = std::visit(
      [&](auto* target) { return from_text<std::remove_pointer_t<decltype(target)>>(text); },
      field.target);
  if (!value) fail_value(field, text, where);
  set_field(field, *value, where);
}

ConfigValue field_value(const Field& field) {
  return std::visit([](auto* target) { return ConfigValue(*target); }, field.target);
}

std::string field_type(const Field& field) {
  if (!field.choices.empty()) return fmt::format("one of {}", fmt::join(field.choices, ", "));
  constexpr std::string_view kTypes[] = {"true or false", "an integer", "a number",
                                         "a text",        "texts",      "numbers"};
  return std::string(kTypes[field.target.index()]) + interval_text(field);
}

const Field* find_field(const std::vector<Field>& fields, std::string_view name) {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

void apply_config(const std::vector<ConfigEntry>& entries, const std::vector<Field>& fields) {
  std::map<std::string_view, std::string_view> seen;
  for (const ConfigEntry& entry : entries) {
    const Field* field = find_field(fields, entry.key);
    if (field == nullptr) {
      std::vector<std::string> known;
      for (const Field& other : fields) known.push_back(other.name);
      fail_unknown_key(entry.where, entry.key, known);
    }
    const auto [previous, is_new] = seen.emplace(entry.key, entry.where);
    if (!is_new) {
      fail(ErrorKind::invalid_input, "{}: {} is already set by {}", entry.where, entry.key,
           previous->second);
    }
    set_field(*field, entry.value, entry.where);
  }
}

void check_fields(const std::vector<Field>& fields, std::string_view where) {
  for (const Field& field : fields) {
    const ConfigValue value = field_value(field);
    if (!within(field, value)) fail_value(field, toml_text(value), where);
  }
}

std::vector<ConfigEntry> config_entries(const std::vector<Field>& fields) {
  std::vector<ConfigEntry> entries;
  for (const Field& field : fields) entries.push_back({field.name, field_value(field), {}});
  return entries;
}

std::string fields_to_toml(const std::vector<Field>& fields) {
  return format_toml(config_entries(fields));
}

JsonValue fields_to_json(const std::vector<Field>& fields) {
  std::vector<std::pair<std::string, JsonValue>> members;
  for (const Field& field : fields) members.emplace_back(field.name, to_json(field_value(field)));
  return object_of(members);
}

}  // namespace cadre::io
