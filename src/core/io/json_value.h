// A JSON value that keeps the order of its members, for building text and holding what was read.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cadre::io {

// Built by value:
//
//   JsonValue line = JsonValue::object();
//   line.set("step", 12).set("loss", 3.25);
//   writer.write(line.dump() + "\n");
//
// Integers stay exact; an unsigned value beyond int64_t becomes a number. NaN and infinities, which
// JSON lacks, are written as null.
class JsonValue {
 public:
  using Array = std::vector<JsonValue>;
  using Member = std::pair<std::string, JsonValue>;
  // Members in the order in which they came; `by_name` holds their indices sorted by name.
  struct Object {
    std::vector<Member> members;
    std::vector<uint32_t> by_name;
  };

  JsonValue() = default;  // null
  JsonValue(bool value) : data_(value) {}
  JsonValue(double value) : data_(value) {}
  JsonValue(float value) : data_(static_cast<double>(value)) {}
  JsonValue(std::string value) : data_(std::move(value)) {}
  JsonValue(std::string_view value) : data_(std::string(value)) {}
  JsonValue(const char* value) : data_(std::string(value)) {}
  template <std::integral T>
  JsonValue(T value) {
    if (std::in_range<int64_t>(value)) {
      data_ = static_cast<int64_t>(value);
    } else {
      data_ = static_cast<double>(value);
    }
  }
  template <typename T>
  JsonValue(const std::vector<T>& values) : data_(Array(values.begin(), values.end())) {}
  static JsonValue array();
  static JsonValue object();

  // Adds a member or replaces the one of that name; the value must be an object. Returns itself.
  JsonValue& set(std::string_view key, JsonValue value);
  // Adds an element; the value must be an array. Returns itself.
  JsonValue& push(JsonValue value);

  bool is_null() const { return holds<std::monostate>(); }
  // The content if the value is of that kind, otherwise null.
  template <typename T>
  const T* get_if() const {
    return std::get_if<T>(&data_);
  }
  // The member of that name, or null if there is none or the value is no object.
  const JsonValue* find(std::string_view key) const;
  // "null", "true or false", "an integer", "a number", "a string", "an array", "an object".
  std::string_view kind() const;

  // One line; or indented by two spaces, with short arrays of scalars on one line.
  std::string dump() const;
  std::string pretty() const;

 private:
  friend class JsonBuilder;  // the parser's side: appends members without searching each time
  template <typename T>
  bool holds() const {
    return std::holds_alternative<T>(data_);
  }

  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
};

// text in quotes, with everything escaped that JSON demands; bytes that are not UTF-8 become
// U+FFFD.
std::string json_quote(std::string_view text);

}  // namespace cadre::io
