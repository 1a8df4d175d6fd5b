#include "core/io/yaml.h"

#include <fmt/format.h>
#include <yaml.h>

#include <array>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/file.h"

namespace cadre::io {
namespace {

constexpr int kMaxDepth = 64;
constexpr uint64_t kMaxBytes = 16ull << 20;

// Numbers and words of plain scalars; quoted ones are always strings.
JsonValue plain_scalar(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  for (const std::string_view word : {"true", "True", "TRUE"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"false", "False", "FALSE"}) {
    if (text == word) return false;
  }
  const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  const char* end = digits.data() + digits.size();
  int64_t integer = 0;
  if (const auto [stop, error] = std::from_chars(digits.data(), end, integer);
      error == std::errc() && stop == end) {
    return integer;
  }
  double number = 0.0;
  // "nan" and "infinity" are words to YAML, which writes .nan and .inf.
  if (digits.find_first_not_of("0123456789+-.eE") == std::string_view::npos) {
    if (const auto [stop, error] = std::from_chars(digits.data(), end, number);
        error == std::errc() && stop == end) {
      return number;
    }
  }
  return text;
}

class Reader {
 public:
  Reader(const std::string& text, const std::string& where) : where_(where) {
    if (yaml_parser_initialize(&parser_) == 0) {
      fail(ErrorKind::exhausted, "{}: out of memory", where_);
    }
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Reader() { yaml_parser_delete(&parser_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  JsonValue read() {
    expect(next(), YAML_STREAM_START_EVENT);
    Event first = next();
    if (first->type == YAML_STREAM_END_EVENT) return {};
    expect(std::move(first), YAML_DOCUMENT_START_EVENT);
    JsonValue value = read_value(next(), 0);
    expect(next(), YAML_DOCUMENT_END_EVENT);
    expect(next(), YAML_STREAM_END_EVENT);
    return value;
  }

 private:
  struct Delete {
    void operator()(yaml_event_t* event) const {
      yaml_event_delete(event);
      delete event;
    }
  };
  using Event = std::unique_ptr<yaml_event_t, Delete>;

  [[noreturn]] void refuse(const yaml_mark_t& mark, std::string_view what) const {
    fail(ErrorKind::corrupt_data, "{}:{}:{}: {}", where_, mark.line + 1, mark.column + 1, what);
  }

  Event next() {
    auto raw = std::make_unique<yaml_event_t>();
    if (yaml_parser_parse(&parser_, raw.get()) == 0) {
      refuse(parser_.problem_mark, parser_.problem != nullptr ? parser_.problem : "is no YAML");
    }
    return Event(raw.release());
  }

  void expect(Event event, yaml_event_type_t type) const {
    if (event->type != type) refuse(event->start_mark, "expected one document");
  }

  JsonValue read_value(Event event, int depth) {
    if (depth > kMaxDepth) refuse(event->start_mark, "nested too deeply");
    switch (event->type) {
      case YAML_SCALAR_EVENT:
        return scalar(*event);
      case YAML_SEQUENCE_START_EVENT:
        return sequence(depth);
      case YAML_MAPPING_START_EVENT:
        return mapping(depth);
      default:
        refuse(event->start_mark, "aliases of anchors are not understood");
    }
  }

  static std::string_view text_of(const yaml_event_t& event) {
    return {reinterpret_cast<const char*>(event.data.scalar.value), event.data.scalar.length};
  }
  static JsonValue scalar(const yaml_event_t& event) {
    if (event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) return plain_scalar(text_of(event));
    return text_of(event);
  }

  JsonValue sequence(int depth) {
    JsonValue array = JsonValue::array();
    for (Event event = next(); event->type != YAML_SEQUENCE_END_EVENT; event = next()) {
      array.push(read_value(std::move(event), depth + 1));
    }
    return array;
  }

  JsonValue mapping(int depth) {
    JsonValue object = JsonValue::object();
    for (Event key = next(); key->type != YAML_MAPPING_END_EVENT; key = next()) {
      if (key->type != YAML_SCALAR_EVENT) refuse(key->start_mark, "a key is no scalar");
      const std::string name(text_of(*key));
      if (object.find(name) != nullptr) {
        refuse(key->start_mark, fmt::format("the key \"{}\" is repeated", name));
      }
      object.set(name, read_value(next(), depth + 1));
    }
    return object;
  }

  std::string where_;
  yaml_parser_t parser_{};
};

}  // namespace

JsonValue parse_yaml(const std::string& text, const std::string& where) {
  return Reader(text, where).read();
}

JsonValue read_yaml_file(const std::filesystem::path& file) {
  return parse_yaml(read_text_file(file, kMaxBytes), file.string());
}

}  // namespace cadre::io
