// The fields of configuration structs (core/base/fields.h) as a list that configuration files,
// command-line flags, --help and reports walk.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/fields.h"
#include "core/io/json_value.h"
#include "core/io/toml.h"

namespace cadre::io {

// One field of a struct that outlives it.
struct Field {
  using Target = std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*,
                              std::vector<double>*>;
  std::string name;  // with its sections: "optimizer.lr"
  Target target;
  std::string help;
  std::optional<Interval> interval;
  std::vector<std::string> choices;  // empty if any text will do
};

// The visitor that collects fields. A field that is itself a struct with visit_fields becomes a
// section: field("optimizer", optimizer, "AdamW").
class FieldLister {
 public:
  FieldLister(std::string prefix, std::vector<Field>& out)
      : prefix_(std::move(prefix)), out_(out) {}

  template <typename T>
  void operator()(std::string_view name, T& value, std::string_view help) {
    if constexpr (requires { value.visit_fields(*this); }) {
      FieldLister inner(prefix_ + std::string(name) + ".", out_);
      value.visit_fields(inner);
    } else {
      add(name, &value, help);
    }
  }
  void operator()(std::string_view name, int64_t& value, Interval interval, std::string_view help) {
    add(name, &value, help).interval = interval;
  }
  void operator()(std::string_view name, double& value, Interval interval, std::string_view help) {
    add(name, &value, help).interval = interval;
  }
  void operator()(std::string_view name, std::vector<double>& value, Interval interval,
                  std::string_view help) {
    add(name, &value, help).interval = interval;
  }
  void operator()(std::string_view name, std::string& value, Choices choices,
                  std::string_view help) {
    add(name, &value, help).choices = std::move(choices.names);
  }

 private:
  Field& add(std::string_view name, Field::Target target, std::string_view help) {
    out_.push_back({prefix_ + std::string(name), target, std::string(help), std::nullopt, {}});
    return out_.back();
  }
  std::string prefix_;
  std::vector<Field>& out_;
};

// The fields of settings in their order; section, if not empty, goes before each name with a dot.
template <typename Settings>
std::vector<Field> list_fields(Settings& settings, std::string_view section = "") {
  std::vector<Field> fields;
  FieldLister lister(section.empty() ? "" : std::string(section) + ".", fields);
  settings.visit_fields(lister);
  return fields;
}

// --- one field
// Sets the field after checking type, interval and choices; an integer will do for a number, and a
// whole number for an integer. Throws Error(invalid_input) `where: name = value, expected ...`, and
// the field keeps its value then.
void set_field(const Field& field, const ConfigValue& value, std::string_view where);
// The same from the text of a flag: true/false/on/off/yes/no, numbers (1e6 and 4k, 2M, 3G with
// powers of 1024 for integers), lists with commas between their elements.
void set_field_from_text(const Field& field, std::string_view text, std::string_view where);
ConfigValue field_value(const Field& field);
// "true or false", "an integer from 1 to 64", "one of cosine, linear", ...
std::string field_type(const Field& field);

// --- all of them
// Sets every field named by the entries. An unknown key is an error that names the nearest known
// one with the file and line; so is a value of the wrong type, and so is a key that comes twice.
void apply_config(const std::vector<ConfigEntry>& entries, const std::vector<Field>& fields);
// Checks every value against its interval or choices, for structs that code has filled.
void check_fields(const std::vector<Field>& fields, std::string_view where);
std::vector<ConfigEntry> config_entries(const std::vector<Field>& fields);
std::string fields_to_toml(const std::vector<Field>& fields);
// An object with one member per field, sections as nested objects.
JsonValue fields_to_json(const std::vector<Field>& fields);
// Null if there is no field of that name.
const Field* find_field(const std::vector<Field>& fields, std::string_view name);

}  // namespace cadre::io
