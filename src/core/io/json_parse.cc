// The parser: nlohmann::json's event interface, so that its own tree is never built and limits and
// repeated keys are seen as the text is read.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "core/io/json.h"

namespace cadre::io {

class JsonBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonBuilder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return add(JsonValue()); }
  bool boolean(bool value) override { return add(JsonValue(value)); }
  bool number_integer(int64_t value) override { return add(JsonValue(value)); }
  bool number_unsigned(uint64_t value) override { return add(JsonValue(value)); }
  bool number_float(double value, const std::string&) override { return add(JsonValue(value)); }
  bool string(std::string& value) override { return add(JsonValue(std::move(value))); }
  bool binary(nlohmann::json::binary_t&) override { return stop("binary data is not JSON"); }
  bool start_object(size_t) override { return open(JsonValue::object()); }
  bool start_array(size_t) override { return open(JsonValue::array()); }
  bool key(std::string& name) override {
    open_.back().key = std::move(name);
    return true;
  }
  bool end_array() override { return close(); }
  bool end_object() override {
    auto& object = std::get<JsonValue::Object>(open_.back().value.data_);
    object.by_name.resize(object.members.size());
    std::iota(object.by_name.begin(), object.by_name.end(), 0u);
    const auto name = [&](uint32_t index) -> const std::string& {
      return object.members[index].first;
    };
    std::sort(object.by_name.begin(), object.by_name.end(),
              [&](uint32_t a, uint32_t b) { return name(a) < name(b); });
    for (size_t i = 1; i < object.by_name.size(); ++i) {
      if (name(object.by_name[i - 1]) == name(object.by_name[i])) {
        return stop("the key " + json_quote(name(object.by_name[i])) + " appears twice");
      }
    }
    return close();
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    position_ = position;
    // "[json.exception.parse_error.101] parse error at line 1, column 2: <what>": the last part.
    const std::string_view text = error.what();
    const size_t place = text.find(": ");
    return stop(std::string(place == std::string_view::npos ? text : text.substr(place + 2)));
  }

  JsonValue take() { return std::move(root_); }
  const std::optional<std::string>& error() const { return error_; }
  // Of a syntax error; nothing is known about the place of the others.
  std::optional<size_t> position() const { return position_; }

 private:
  struct Open {
    JsonValue value;
    std::string key;  // of the member that comes next
  };

  bool stop(std::string error) {
    error_ = std::move(error);
    return false;
  }
  bool open(JsonValue container) {
    if (static_cast<int>(open_.size()) >= limits_.max_depth) {
      return stop(fmt::format("nested deeper than the limit of {}", limits_.max_depth));
    }
    open_.push_back({std::move(container), {}});
    return true;
  }
  bool close() {
    JsonValue value = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(value));
  }
  bool add(JsonValue value) {
    if (++values_ > limits_.max_values) {
      return stop(fmt::format("more values than the limit of {}", limits_.max_values));
    }
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (auto* array = std::get_if<JsonValue::Array>(&open_.back().value.data_)) {
      array->push_back(std::move(value));
    } else {
      auto& object = std::get<JsonValue::Object>(open_.back().value.data_);
      object.members.emplace_back(std::move(open_.back().key), std::move(value));
    }
    return true;
  }

  const JsonLimits& limits_;
  JsonValue root_;
  std::vector<Open> open_;
  int64_t values_ = 0;
  std::optional<std::string> error_;
  std::optional<size_t> position_;
};

JsonValue parse_json(std::string_view text, std::string_view where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    fail(ErrorKind::corrupt_data, "{}: has {} bytes, expected at most {}", where, text.size(),
         limits.max_bytes);
  }
  JsonBuilder builder(limits);
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return builder.take();
  const std::string message = builder.error().value_or("is not JSON");
  if (!builder.position()) fail(ErrorKind::corrupt_data, "{}: {}", where, message);
  const size_t end = std::min(*builder.position(), text.size());
  const std::string_view before = text.substr(0, end > 0 ? end - 1 : 0);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t last_break = before.rfind('\n');
  const size_t column = before.size() - (last_break == std::string_view::npos ? 0 : last_break + 1);
  fail(ErrorKind::corrupt_data, "{}:{}:{}: {}", where, line, column + 1, message);
}

}  // namespace cadre::io
