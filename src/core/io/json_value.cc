#include "core/io/json_value.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/error.h"

namespace cadre::io {
namespace {

// The length of the well-formed UTF-8 sequence at the start of text (RFC 3629), 0 if there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i) { return i < text.size() && (byte(i) & 0xc0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!continues(1) || !continues(2)) return 0;
    const bool overlong = lead == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = lead == 0xed && byte(1) >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    const bool overlong = lead == 0xf0 && byte(1) < 0x90;
    const bool beyond = lead == 0xf4 && byte(1) >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

// The shortest text that reads back to the same double, marked as a number that is no integer.
std::string number_text(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[40];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  CADRE_CHECK(error == std::errc());
  std::string text(buffer, end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

bool is_scalar(const JsonValue& value) {
  return value.get_if<JsonValue::Array>() == nullptr &&
         value.get_if<JsonValue::Object>() == nullptr;
}

// indent < 0 writes everything on one line.
void write(const JsonValue& value, int indent, std::string& out) {
  const auto new_line = [&](int depth) {
    if (indent >= 0) out.append("\n").append(static_cast<size_t>(2 * depth), ' ');
  };
  if (value.is_null()) {
    out += "null";
  } else if (const bool* flag = value.get_if<bool>()) {
    out += *flag ? "true" : "false";
  } else if (const int64_t* integer = value.get_if<int64_t>()) {
    out += std::to_string(*integer);
  } else if (const double* number = value.get_if<double>()) {
    out += number_text(*number);
  } else if (const std::string* text = value.get_if<std::string>()) {
    out += json_quote(*text);
  } else if (const auto* array = value.get_if<JsonValue::Array>()) {
    const bool flat = indent < 0 || std::all_of(array->begin(), array->end(), is_scalar);
    out += '[';
    for (size_t i = 0; i < array->size(); ++i) {
      if (i > 0) out += flat ? ", " : ",";
      if (!flat) new_line(indent + 1);
      write((*array)[i], flat ? -1 : indent + 1, out);
    }
    if (!flat) new_line(indent);
    out += ']';
  } else if (const auto* object = value.get_if<JsonValue::Object>()) {
    const int inner = indent < 0 ? -1 : indent + 1;
    out += '{';
    for (size_t i = 0; i < object->members.size(); ++i) {
      if (i > 0) out += indent < 0 ? ", " : ",";
      new_line(inner);
      out += json_quote(object->members[i].first) + ": ";
      write(object->members[i].second, inner, out);
    }
    if (!object->members.empty()) new_line(indent);
    out += '}';
  }
}

// Where the name is, or would be inserted, among the sorted indices.
auto position_of(const JsonValue::Object& object, std::string_view key) {
  return std::lower_bound(
      object.by_name.begin(), object.by_name.end(), key,
      [&](uint32_t index, std::string_view k) { return object.members[index].first < k; });
}

}  // namespace

JsonValue JsonValue::array() {
  JsonValue value;
  value.data_ = Array();
  return value;
}

JsonValue JsonValue::object() {
  JsonValue value;
  value.data_ = Object();
  return value;
}

JsonValue& JsonValue::set(std::string_view key, JsonValue value) {
  auto* object = std::get_if<Object>(&data_);
  CADRE_CHECK(object != nullptr);
  const auto place = position_of(*object, key);
  if (place != object->by_name.end() && object->members[*place].first == key) {
    object->members[*place].second = std::move(value);
    return *this;
  }
  object->by_name.insert(place, static_cast<uint32_t>(object->members.size()));
  object->members.emplace_back(std::string(key), std::move(value));
  return *this;
}

JsonValue& JsonValue::push(JsonValue value) {
  auto* array = std::get_if<Array>(&data_);
  CADRE_CHECK(array != nullptr);
  array->push_back(std::move(value));
  return *this;
}

const JsonValue* JsonValue::find(std::string_view key) const {
  const auto* object = std::get_if<Object>(&data_);
  if (object == nullptr) return nullptr;
  const auto place = position_of(*object, key);
  if (place == object->by_name.end() || object->members[*place].first != key) return nullptr;
  return &object->members[*place].second;
}

std::string_view JsonValue::kind() const {
  constexpr std::string_view kKinds[] = {"null",     "true or false", "an integer", "a number",
                                         "a string", "an array",      "an object"};
  return kKinds[data_.index()];
}

std::string JsonValue::dump() const {
  std::string out;
  write(*this, -1, out);
  return out;
}

std::string JsonValue::pretty() const {
  std::string out;
  write(*this, 0, out);
  return out;
}

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const char c = text[0];
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      out.append("\\").append(1, c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out + "\"";
}

}  // namespace cadre::io
