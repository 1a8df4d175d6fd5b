#include "text/jinja/to_json.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

class JsonText {
 public:
  JsonText(Budget& budget, const JsonFormat& format) : budget_(budget), format_(format) {}

  std::string take(const Value& value) {
    write(value, 0);
    budget_.string(static_cast<int64_t>(out_.size()));
    return std::move(out_);
  }

 private:
  void write(const Value& value, int level) {
    budget_.steps();
    if (static_cast<int64_t>(out_.size()) > budget_.limits().max_string) {
      budget_.string(static_cast<int64_t>(out_.size()));
    }
    if (const std::string* text = value.string()) {
      quote(*text);
    } else if (const auto* items = value.sequence()) {
      write_array(*items, level);
    } else if (const Dict* dict = value.dict()) {
      write_object(*dict, level);
    } else {
      out_ += scalar(value);
    }
  }

  static std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (const bool* flag = value.get_if<bool>()) return *flag ? "true" : "false";
    if (const int64_t* number = value.get_if<int64_t>()) return fmt::format("{}", *number);
    const double* number = value.get_if<double>();
    if (number == nullptr) {
      raise("Object of type {} is not JSON serializable", value.type_name());
    }
    if (std::isnan(*number)) return "NaN";
    if (std::isinf(*number)) return *number < 0 ? "-Infinity" : "Infinity";
    return float_repr(*number);
  }

  void new_line(int level) {
    if (!format_.indent) return;
    out_ += '\n';
    budget_.string(static_cast<int64_t>(format_.indent->size()) * level);
    for (int i = 0; i < level; ++i) out_ += *format_.indent;
  }

  void write_array(const std::vector<Value>& items, int level) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += format_.item_separator;
      new_line(level + 1);
      write(items[i], level + 1);
    }
    new_line(level);
    out_ += ']';
  }

  void write_object(const Dict& dict, int level) {
    if (dict.entries().empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (format_.sort_keys) {
      std::ranges::stable_sort(entries, [&](const Dict::Entry* a, const Dict::Entry* b) {
        return less(budget_, a->first, b->first);
      });
    }
    out_ += '{';
    bool first = true;
    for (const Dict::Entry* entry : entries) {
      if (!first) out_ += format_.item_separator;
      first = false;
      new_line(level + 1);
      if (const std::string* key = entry->first.string()) {
        quote(*key);
      } else {
        if (entry->first.sequence()) raise("keys must be str, int, float, bool or None");
        quote(scalar(entry->first));
      }
      out_ += format_.key_separator;
      write(entry->second, level + 1);
    }
    new_line(level);
    out_ += '}';
  }

  void quote(std::string_view text) {
    out_ += '"';
    for (size_t at = 0; at < text.size();) {
      const CodePoint point = decode_at(text, at);
      append_character(point.value, text.substr(at, static_cast<size_t>(point.size)));
      at += static_cast<size_t>(point.size);
    }
    out_ += '"';
  }

  void append_character(char32_t value, std::string_view written) {
    const auto number = static_cast<uint32_t>(value);
    switch (number) {
      case '"':
        out_ += "\\\"";
        return;
      case '\\':
        out_ += "\\\\";
        return;
      case '\n':
        out_ += "\\n";
        return;
      case '\r':
        out_ += "\\r";
        return;
      case '\t':
        out_ += "\\t";
        return;
      case '\b':
        out_ += "\\b";
        return;
      case '\f':
        out_ += "\\f";
        return;
      default:
        break;
    }
    if (number >= 0x20 && (number < 0x7f || !format_.ensure_ascii || number == 0x7f)) {
      out_ += written;
    } else if (number < 0x10000) {
      out_ += fmt::format("\\u{:04x}", number);
    } else {
      const uint32_t high = 0xd800 + ((number - 0x10000) >> 10);
      const uint32_t low = 0xdc00 + ((number - 0x10000) & 0x3ff);
      out_ += fmt::format("\\u{:04x}\\u{:04x}", high, low);
    }
  }

  Budget& budget_;
  const JsonFormat& format_;
  std::string out_;
};

}  // namespace

std::string to_json(Budget& budget, const Value& value, const JsonFormat& format) {
  return JsonText(budget, format).take(value);
}

}  // namespace cadre::text::jinja
