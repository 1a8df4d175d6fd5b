// Reading JSON that we did not write: every access checks the type and knows where it stands.
//
// Messages read `FILE: model.merges[17]: is an integer, expected a string`. What is malformed is
// Error(corrupt_data), what is meaningful but not implemented is Error(unsupported).
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cadre::text {

// A value inside a parsed document, which must outlive it.
class JsonField {
 public:
  JsonField(const nlohmann::json& value, std::string where, std::string path = "")
      : value_(&value), where_(std::move(where)), path_(std::move(path)) {}

  const nlohmann::json& value() const { return *value_; }

  // Members of an object. at() throws if there is none; find() gives nothing if there is none or it
  // is null.
  JsonField at(std::string_view key) const;
  std::optional<JsonField> find(std::string_view key) const;
  // Throws Error(unsupported) if the object has members of other names.
  void expect_only(std::initializer_list<std::string_view> keys) const;
  // The value must be an object, or an array; calls visit in the order of the document, or of keys.
  void for_each_member(
      const std::function<void(const std::string& key, const JsonField& value)>& visit) const;
  void for_each_element(const std::function<void(const JsonField& value)>& visit) const;

  const std::string& text() const;
  bool flag() const;
  int64_t integer(int64_t low, int64_t high) const;

  bool flag_or(std::string_view key, bool otherwise) const;
  std::string text_or(std::string_view key, std::string_view otherwise) const;

  // "FILE: path", the beginning of every message.
  std::string place() const;
  [[noreturn]] void corrupt(std::string_view message) const;
  [[noreturn]] void unsupported(std::string_view message) const;

 private:
  [[noreturn]] void wrong_type(std::string_view expected) const;

  const nlohmann::json* value_;
  std::string where_;
  std::string path_;
};

// Parses a whole document; throws Error(corrupt_data) with the place of the fault.
nlohmann::json parse_json(std::string_view text, std::string_view where);

}  // namespace cadre::text
