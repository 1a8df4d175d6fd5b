// Reading JSON that others wrote: typed access whose errors name the file and the path of the key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/io/json_value.h"

namespace cadre::io {

struct JsonLimits {
  int max_depth = 64;               // of nested arrays and objects
  uint64_t max_bytes = 1ull << 30;  // of the text
  int64_t max_values = 1ll << 26;   // in all: a value takes far more memory than its text
};

// Throws Error(corrupt_data) `where:line:column: ...` for text that is not exactly one JSON value
// (RFC 8259), repeats a key within an object, or goes beyond the limits.
JsonValue parse_json(std::string_view text, std::string_view where, const JsonLimits& limits = {});

// A value of a document together with the way to it. Copies share the document, which lives as long
// as any of them; immutable, so threads may share it. Every error is Error(corrupt_data), such as
// `config.json: rope_scaling.factor is a string, expected a number`.
class JsonView {
 public:
  JsonView(JsonValue value, std::string where);
  static JsonView parse(std::string_view text, std::string where, const JsonLimits& limits = {});
  // Throws Error(not_found) if there is no such file.
  static JsonView read_file(const std::filesystem::path& path, const JsonLimits& limits = {});

  // --- members of an object
  bool has(std::string_view key) const { return value_->find(key) != nullptr; }
  // True if the key is absent or null; the *_or calls give their default then.
  bool is_null(std::string_view key) const;
  std::vector<std::string> keys() const;  // in the order of the file
  // Throws Error(corrupt_data) for a key that is not among these, naming the nearest of them.
  void expect_keys(const std::vector<std::string>& known) const;

  // An integer may be written with a fraction or exponent (1e6) as long as it is whole.
  int64_t integer(std::string_view key) const;
  int64_t integer_or(std::string_view key, int64_t otherwise) const;
  double number(std::string_view key) const;
  double number_or(std::string_view key, double otherwise) const;
  bool flag(std::string_view key) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  std::string string(std::string_view key) const;
  std::string string_or(std::string_view key, std::string otherwise) const;
  // A single integer counts as a list of one, which is how several families write eos_token_id.
  std::vector<int64_t> integer_list(std::string_view key) const;
  std::vector<double> number_list(std::string_view key) const;
  std::vector<std::string> string_list(std::string_view key) const;
  JsonView object(std::string_view key) const;
  JsonView array(std::string_view key) const;
  JsonView at(std::string_view key) const;  // of any kind

  // --- elements of an array
  int64_t size() const;
  JsonView element(int64_t index) const;

  // --- the value itself
  int64_t as_integer() const;
  double as_number() const;
  bool as_flag() const;
  const std::string& as_string() const;
  // This view, if it is an object or an array; throws otherwise.
  const JsonView& expect_object() const;
  const JsonView& expect_array() const;

  const JsonValue& value() const { return *value_; }
  // "config.json: rope_scaling.factor", for messages of the caller's own.
  std::string where() const;
  // Throws Error(corrupt_data) `where() is <found>, expected <expected>`.
  [[noreturn]] void fail_expected(std::string_view expected) const;

 private:
  JsonView(std::shared_ptr<const JsonValue> root, const JsonValue* value,
           std::shared_ptr<const std::string> file, std::string path)
      : root_(std::move(root)), value_(value), file_(std::move(file)), path_(std::move(path)) {}

  std::shared_ptr<const JsonValue> root_;
  const JsonValue* value_;
  std::shared_ptr<const std::string> file_;
  std::string path_;  // "rope_scaling.factor", "added_tokens[3].id"; empty at the root
};

}  // namespace cadre::io
