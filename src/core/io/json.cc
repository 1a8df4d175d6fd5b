#include "core/io/json.h"

#include <algorithm>
#include <cmath>

#include "core/base/fields.h"
#include "core/base/file.h"

namespace cadre::io {
namespace {

// What was found, short enough for a message.
std::string found_text(const JsonValue& value) {
  const std::string text = value.dump();
  if (text.size() > 60) return std::string(value.kind());
  return text;
}

}  // namespace

JsonView::JsonView(JsonValue value, std::string where)
    : root_(std::make_shared<const JsonValue>(std::move(value))),
      value_(root_.get()),
      file_(std::make_shared<const std::string>(std::move(where))) {}

JsonView JsonView::parse(std::string_view text, std::string where, const JsonLimits& limits) {
  JsonValue value = parse_json(text, where, limits);
  return JsonView(std::move(value), std::move(where));
}

JsonView JsonView::read_file(const std::filesystem::path& path, const JsonLimits& limits) {
  return parse(read_text_file(path, limits.max_bytes), path.string(), limits);
}

std::string JsonView::where() const { return path_.empty() ? *file_ : *file_ + ": " + path_; }

void JsonView::fail_expected(std::string_view expected) const {
  fail(ErrorKind::corrupt_data, "{} is {}, expected {}", where(), found_text(*value_), expected);
}

bool JsonView::is_null(std::string_view key) const {
  const JsonValue* found = value_->find(key);
  return found == nullptr || found->is_null();
}

JsonView JsonView::at(std::string_view key) const {
  expect_object();
  const JsonValue* found = value_->find(key);
  if (found == nullptr) {
    fail(ErrorKind::corrupt_data, "{}: the key \"{}\" is missing", where(), key);
  }
  return JsonView(root_, found, file_,
                  path_.empty() ? std::string(key) : path_ + "." + std::string(key));
}

const JsonView& JsonView::expect_object() const {
  if (value_->get_if<JsonValue::Object>() == nullptr) fail_expected("an object");
  return *this;
}

const JsonView& JsonView::expect_array() const {
  if (value_->get_if<JsonValue::Array>() == nullptr) fail_expected("an array");
  return *this;
}

std::vector<std::string> JsonView::keys() const {
  std::vector<std::string> names;
  for (const auto& member : expect_object().value_->get_if<JsonValue::Object>()->members) {
    names.push_back(member.first);
  }
  return names;
}

void JsonView::expect_keys(const std::vector<std::string>& known) const {
  for (const auto& [key, value] : expect_object().value_->get_if<JsonValue::Object>()->members) {
    if (std::ranges::find(known, key) != known.end()) continue;
    fail(ErrorKind::corrupt_data, "{}: unknown key \"{}\"; did you mean \"{}\"?", where(), key,
         nearest_name(key, known));
  }
}

int64_t JsonView::size() const {
  return static_cast<int64_t>(expect_array().value_->get_if<JsonValue::Array>()->size());
}

JsonView JsonView::element(int64_t index) const {
  CADRE_CHECK(index >= 0 && index < size());
  const auto& array = *value_->get_if<JsonValue::Array>();
  return JsonView(root_, &array[static_cast<size_t>(index)], file_,
                  fmt::format("{}[{}]", path_, index));
}

int64_t JsonView::as_integer() const {
  if (const int64_t* integer = value_->get_if<int64_t>()) return *integer;
  const double* number = value_->get_if<double>();
  // Beyond 2^53 a double no longer says which integer was meant.
  if (number == nullptr || std::trunc(*number) != *number || std::fabs(*number) > 0x1p53) {
    fail_expected("an integer of 64 bits");
  }
  return static_cast<int64_t>(*number);
}

double JsonView::as_number() const {
  if (const int64_t* integer = value_->get_if<int64_t>()) return static_cast<double>(*integer);
  const double* number = value_->get_if<double>();
  if (number == nullptr) fail_expected("a number");
  return *number;
}

bool JsonView::as_flag() const {
  const bool* flag = value_->get_if<bool>();
  if (flag == nullptr) fail_expected("true or false");
  return *flag;
}

const std::string& JsonView::as_string() const {
  const std::string* text = value_->get_if<std::string>();
  if (text == nullptr) fail_expected("a string");
  return *text;
}

int64_t JsonView::integer(std::string_view key) const { return at(key).as_integer(); }
double JsonView::number(std::string_view key) const { return at(key).as_number(); }
bool JsonView::flag(std::string_view key) const { return at(key).as_flag(); }
std::string JsonView::string(std::string_view key) const { return at(key).as_string(); }

int64_t JsonView::integer_or(std::string_view key, int64_t otherwise) const {
  return is_null(key) ? otherwise : integer(key);
}
double JsonView::number_or(std::string_view key, double otherwise) const {
  return is_null(key) ? otherwise : number(key);
}
bool JsonView::flag_or(std::string_view key, bool otherwise) const {
  return is_null(key) ? otherwise : flag(key);
}
std::string JsonView::string_or(std::string_view key, std::string otherwise) const {
  return is_null(key) ? std::move(otherwise) : string(key);
}

std::vector<int64_t> JsonView::integer_list(std::string_view key) const {
  const JsonView list = at(key);
  if (list.value_->get_if<JsonValue::Array>() == nullptr) return {list.as_integer()};
  std::vector<int64_t> values;
  for (int64_t i = 0; i < list.size(); ++i) values.push_back(list.element(i).as_integer());
  return values;
}

std::vector<double> JsonView::number_list(std::string_view key) const {
  const JsonView list = at(key);
  std::vector<double> values;
  for (int64_t i = 0; i < list.size(); ++i) values.push_back(list.element(i).as_number());
  return values;
}

std::vector<std::string> JsonView::string_list(std::string_view key) const {
  const JsonView list = at(key);
  std::vector<std::string> values;
  for (int64_t i = 0; i < list.size(); ++i) values.push_back(list.element(i).as_string());
  return values;
}

JsonView JsonView::object(std::string_view key) const { return at(key).expect_object(); }
JsonView JsonView::array(std::string_view key) const { return at(key).expect_array(); }

}  // namespace cadre::io
