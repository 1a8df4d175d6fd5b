#include "text/json_field.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"

namespace cadre::text {

using nlohmann::json;

JsonField JsonField::at(std::string_view key) const {
  if (!value_->is_object()) wrong_type("an object");
  const auto found = value_->find(key);
  if (found == value_->end()) corrupt(fmt::format("has no \"{}\"", key));
  return JsonField(*found, where_,
                   path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key));
}

std::optional<JsonField> JsonField::find(std::string_view key) const {
  if (!value_->is_object()) wrong_type("an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return at(key);
}

void JsonField::expect_only(std::initializer_list<std::string_view> keys) const {
  if (!value_->is_object()) wrong_type("an object");
  for (const auto& member : value_->items()) {
    if (std::find(keys.begin(), keys.end(), member.key()) == keys.end()) {
      unsupported(fmt::format("\"{}\" is not a field that is known here", member.key()));
    }
  }
}

void JsonField::for_each_member(
    const std::function<void(const std::string&, const JsonField&)>& visit) const {
  if (!value_->is_object()) wrong_type("an object");
  for (const auto& member : value_->items()) {
    visit(member.key(),
          JsonField(member.value(), where_, fmt::format("{}[\"{}\"]", path_, member.key())));
  }
}

void JsonField::for_each_element(const std::function<void(const JsonField&)>& visit) const {
  if (!value_->is_array()) wrong_type("an array");
  size_t index = 0;
  for (const json& element : *value_) {
    visit(JsonField(element, where_, fmt::format("{}[{}]", path_, index++)));
  }
}

const std::string& JsonField::text() const {
  if (!value_->is_string()) wrong_type("a string");
  return value_->get_ref<const std::string&>();
}

bool JsonField::flag() const {
  if (!value_->is_boolean()) wrong_type("true or false");
  return value_->get<bool>();
}

int64_t JsonField::integer(int64_t low, int64_t high) const {
  if (!value_->is_number_integer()) wrong_type("an integer");
  const bool huge = value_->is_number_unsigned() && value_->get<uint64_t>() > INT64_MAX;
  const int64_t number = huge ? INT64_MAX : value_->get<int64_t>();
  if (huge || number < low || number > high) {
    corrupt(fmt::format("is {}, expected {} to {}", value_->dump(), low, high));
  }
  return number;
}

bool JsonField::flag_or(std::string_view key, bool otherwise) const {
  const std::optional<JsonField> field = find(key);
  return field ? field->flag() : otherwise;
}

std::string JsonField::text_or(std::string_view key, std::string_view otherwise) const {
  const std::optional<JsonField> field = find(key);
  return field ? field->text() : std::string(otherwise);
}

std::string JsonField::place() const {
  return path_.empty() ? where_ : fmt::format("{}: {}", where_, path_);
}

void JsonField::corrupt(std::string_view message) const {
  fail(ErrorKind::corrupt_data, "{}: {}", place(), message);
}

void JsonField::unsupported(std::string_view message) const {
  fail(ErrorKind::unsupported, "{}: {}", place(), message);
}

void JsonField::wrong_type(std::string_view expected) const {
  corrupt(fmt::format("is of type {}, expected {}", value_->type_name(), expected));
}

json parse_json(std::string_view text, std::string_view where) {
  try {
    return json::parse(text);
  } catch (const json::exception& error) {
    fail(ErrorKind::corrupt_data, "{}: is not JSON: {}", where, error.what());
  }
}

}  // namespace cadre::text
