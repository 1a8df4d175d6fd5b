// The methods of str.
#include <algorithm>
#include <array>

#include "text/jinja/attributes.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/string_format.h"
#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

using Method = Value (*)(Interpreter&, const std::string& self, Arguments&);

Value list_of(Interpreter& interpreter, const std::vector<std::string_view>& parts) {
  interpreter.budget().items(static_cast<int64_t>(2 * parts.size()));
  return Value::list(interpreter.budget(), std::vector<Value>(parts.begin(), parts.end()));
}

template <std::string (*Change)(std::string_view)>
Value changed(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  Bound("str method", arguments, {});
  interpreter.budget().string(static_cast<int64_t>(2 * self.size()));
  return Change(self);
}

template <bool (*Holds)(std::string_view)>
Value whole(Interpreter&, const std::string& self, Arguments& arguments) {
  Bound("str method", arguments, {});
  return Holds(self);
}

template <bool (*Holds)(char32_t)>
Value every(Interpreter&, const std::string& self, Arguments& arguments) {
  Bound("str method", arguments, {});
  for (size_t at = 0; at < self.size();) {
    const CodePoint point = decode_at(self, at);
    if (!Holds(point.value)) return false;
    at += static_cast<size_t>(point.size);
  }
  return !self.empty();
}

bool is_alphanumeric(char32_t value) { return is_alphabetic(value) || is_numeric(value); }

template <Side side>
Value stripped(Interpreter&, const std::string& self, Arguments& arguments) {
  const Bound bound("strip", arguments, {"chars"});
  return strip(self, side, bound.optional_text(0));
}

template <bool from_right>
Value parted(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  const Bound bound("split", arguments, {"sep", "maxsplit"});
  const auto separator = bound.optional_text(0);
  if (separator && separator->empty()) raise("empty separator");
  interpreter.budget().items(separator ? count_of(self, *separator) : 1);
  const int64_t most = bound.integer_or(1, -1);
  return list_of(interpreter,
                 from_right ? rsplit(self, separator, most) : split(self, separator, most));
}

Value lines(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  const Bound bound("splitlines", arguments, {"keepends"});
  return list_of(interpreter, split_lines(self, bound.truth_or(0, false)));
}

// text[start:end] for methods that take both.
std::string_view range_of(const std::string& self, const Bound& bound, int64_t& start) {
  const int64_t size = length_of(self);
  const auto position = [&](size_t index, int64_t otherwise) {
    if (!bound.has(index) || bound.at(index).is_none()) return otherwise;
    const int64_t at = bound.integer_or(index, 0);
    return std::max<int64_t>(at < 0 ? at + size : at, 0);
  };
  start = position(1, 0);
  const int64_t end = std::min(position(2, size), size);
  if (start > end) return {};
  const size_t begin = offset_of(self, start);
  return std::string_view(self).substr(begin, offset_of(self, end) - begin);
}

template <bool at_end>
Value matches(Interpreter&, const std::string& self, Arguments& arguments) {
  const Bound bound("startswith", arguments, {"prefix", "start", "end"}, 1);
  int64_t start = 0;
  const std::string_view text = range_of(self, bound, start);
  const bool beyond = start > length_of(self);
  const auto holds = [&](const Value& part) {
    if (!part.string()) raise("startswith first arg must be str or a tuple of str");
    return !beyond && (at_end ? text.ends_with(*part.string()) : text.starts_with(*part.string()));
  };
  if (const Tuple* parts = bound.at(0).tuple()) return std::ranges::any_of(parts->items, holds);
  return holds(bound.at(0));
}

template <bool from_right, bool must>
Value found(Interpreter&, const std::string& self, Arguments& arguments) {
  const Bound bound("find", arguments, {"sub", "start", "end"}, 1);
  int64_t start = 0;
  const std::string_view text = range_of(self, bound, start);
  const std::string& part = bound.text(0);
  const size_t at = text.data() == nullptr && !self.empty() ? std::string_view::npos
                    : from_right                            ? text.rfind(part)
                                                            : text.find(part);
  if (at == std::string_view::npos) {
    if (must) raise("substring not found");
    return -1;
  }
  return start + length_of(text.substr(0, at));
}

Value counted(Interpreter&, const std::string& self, Arguments& arguments) {
  const Bound bound("count", arguments, {"sub", "start", "end"}, 1);
  int64_t start = 0;
  const std::string_view text = range_of(self, bound, start);
  return count_of(text, bound.text(0));
}

Value replaced(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  const Bound bound("replace", arguments, {"old", "new", "count"}, 2);
  return replace_checked(interpreter.budget(), self, bound.text(0), bound.text(1),
                         bound.integer_or(2, -1));
}

Value joined(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  const Bound bound("join", arguments, {"iterable"}, 1);
  std::string out;
  bool first = true;
  for (const Value& item : iterate(interpreter.budget(), bound.at(0))) {
    if (!item.string()) raise("sequence item: expected str instance, {} found", item.type_name());
    if (!first) out += self;
    first = false;
    out += *item.string();
    interpreter.budget().string(static_cast<int64_t>(self.size() + item.string()->size()));
  }
  return out;
}

template <bool from_right>
Value partitioned(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  const Bound bound("partition", arguments, {"sep"}, 1);
  const std::string& separator = bound.text(0);
  if (separator.empty()) raise("empty separator");
  const size_t at = from_right ? self.rfind(separator) : self.find(separator);
  std::vector<Value> parts;
  if (at != std::string::npos) {
    parts = {self.substr(0, at), separator, self.substr(at + separator.size())};
  } else if (from_right) {
    parts = {"", "", self};
  } else {
    parts = {self, "", ""};
  }
  return Value::tuple(interpreter.budget(), std::move(parts));
}

template <char align>
Value justified(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  const Bound bound("justify", arguments, {"width", "fillchar"}, 1);
  const std::string fill = bound.has(1) ? bound.text(1) : " ";
  if (length_of(fill) != 1) raise("The fill character must be exactly one character long");
  return justify(interpreter.budget(), self, bound.integer_or(0, 0), align, fill);
}

Value zero_filled(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  const Bound bound("zfill", arguments, {"width"}, 1);
  const bool sign = self.starts_with('-') || self.starts_with('+');
  const int64_t width = bound.integer_or(0, 0) - (sign ? 1 : 0);
  return self.substr(0, sign ? 1 : 0) +
         justify(interpreter.budget(), self.substr(sign ? 1 : 0), width, '>', "0");
}

template <bool at_end>
Value without(Interpreter&, const std::string& self, Arguments& arguments) {
  const Bound bound("removeprefix", arguments, {"prefix"}, 1);
  const std::string& part = bound.text(0);
  if (at_end ? !self.ends_with(part) : !self.starts_with(part)) return self;
  return at_end ? self.substr(0, self.size() - part.size()) : self.substr(part.size());
}

Value expanded(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  const Bound bound("expandtabs", arguments, {"tabsize"});
  const int64_t size = bound.integer_or(0, 8);
  std::string out;
  int64_t column = 0;
  for (const std::string_view character : characters(self)) {
    if (character == "\t") {
      const int64_t count = size > 0 ? size - column % size : 0;
      interpreter.budget().string(static_cast<int64_t>(out.size()) + count);
      out.append(static_cast<size_t>(count), ' ');
      column += count;
      continue;
    }
    column = character == "\n" || character == "\r" ? 0 : column + 1;
    out += character;
  }
  return out;
}

Value formatted_text(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  return string_format(interpreter.budget(), self, arguments);
}

Value formatted_map(Interpreter& interpreter, const std::string& self, Arguments& arguments) {
  const Bound bound("format_map", arguments, {"mapping"}, 1);
  if (!bound.at(0).dict()) raise("format_map() takes a mapping");
  Arguments named;
  for (const auto& [key, value] : bound.at(0).dict()->entries()) {
    if (key.string()) named.named.emplace_back(*key.string(), value);
  }
  return string_format(interpreter.budget(), self, named);
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

struct Entry {
  std::string_view name;
  Method method;
};

constexpr std::array<Entry, 43> kMethods = {{
    {"capitalize", changed<capitalize>},
    {"casefold", changed<lower>},
    {"center", justified<'^'>},
    {"count", counted},
    {"endswith", matches<true>},
    {"expandtabs", expanded},
    {"find", found<false, false>},
    {"format", formatted_text},
    {"format_map", formatted_map},
    {"index", found<false, true>},
    {"isalnum", every<is_alphanumeric>},
    {"isalpha", every<is_alphabetic>},
    {"isascii", whole<is_ascii>},
    {"isdecimal", every<is_decimal>},
    {"isdigit", every<is_decimal>},
    {"islower", whole<is_lower>},
    {"isnumeric", every<is_numeric>},
    {"isprintable",
     [](Interpreter& interpreter, const std::string& self, Arguments& arguments) {
       return self.empty() ? Value(true) : every<is_printable>(interpreter, self, arguments);
     }},
    {"isspace", every<is_space>},
    {"istitle", whole<is_title>},
    {"isupper", whole<is_upper>},
    {"join", joined},
    {"ljust", justified<'<'>},
    {"lower", changed<lower>},
    {"lstrip", stripped<Side::left>},
    {"partition", partitioned<false>},
    {"removeprefix", without<false>},
    {"removesuffix", without<true>},
    {"replace", replaced},
    {"rfind", found<true, false>},
    {"rindex", found<true, true>},
    {"rjust", justified<'>'>},
    {"rpartition", partitioned<true>},
    {"rsplit", parted<true>},
    {"rstrip", stripped<Side::right>},
    {"split", parted<false>},
    {"splitlines", lines},
    {"startswith", matches<false>},
    {"strip", stripped<Side::both>},
    {"swapcase", changed<swapcase>},
    {"title", changed<title>},
    {"upper", changed<upper>},
    {"zfill", zero_filled},
}};

}  // namespace

std::optional<Value> string_method(const Value& self, std::string_view name) {
  const auto entry = std::ranges::find(kMethods, name, &Entry::name);
  if (name.empty() || entry == kMethods.end()) return std::nullopt;
  return Function::make(std::string(name), [self, method = entry->method](Interpreter& interpreter,
                                                                          Arguments& arguments) {
    interpreter.budget().string(static_cast<int64_t>(self.string()->size()));
    return method(interpreter, *self.string(), arguments);
  });
}

}  // namespace cadre::text::jinja
