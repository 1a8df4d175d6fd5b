#include "text/jinja/string_format.h"

#include <algorithm>

#include "text/jinja/attributes.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace cadre::text::jinja {
namespace {

class Formatter {
 public:
  Formatter(Budget& budget, const Arguments& arguments) : budget_(budget), arguments_(arguments) {}

  std::string run(std::string_view text, int levels) {
    if (levels == 0) raise("Max string recursion exceeded");
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const char c = text[at];
      if (c != '{' && c != '}') {
        out += c;
        ++at;
      } else if (at + 1 < text.size() && text[at + 1] == c) {
        out += c;
        at += 2;
      } else if (c == '}') {
        raise("Single '}}' encountered in format string");
      } else {
        const size_t end = end_of_field(text, at);
        out += field(text.substr(at + 1, end - at - 1), levels);
        at = end + 1;
      }
      budget_.string(static_cast<int64_t>(out.size() / 16));
    }
    return out;
  }

 private:
  static size_t end_of_field(std::string_view text, size_t open) {
    int depth = 0;
    for (size_t at = open; at < text.size(); ++at) {
      if (text[at] == '{') ++depth;
      if (text[at] == '}' && --depth == 0) return at;
    }
    raise("expected '}}' before end of string");
  }

  std::string field(std::string_view text, int levels) {
    // A ':' or '!' inside brackets belongs to a key.
    size_t name_end = 0;
    for (bool bracket = false; name_end < text.size(); ++name_end) {
      const char c = text[name_end];
      if (c == '[') bracket = true;
      if (c == ']') bracket = false;
      if (!bracket && (c == ':' || c == '!')) break;
    }
    Value value = lookup(text.substr(0, name_end));
    std::string_view rest = text.substr(name_end);
    if (rest.starts_with('!')) {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':')) {
        raise("expected ':' after conversion specifier");
      }
      if (rest[1] == 'r') {
        value = repr(budget_, value);
      } else if (rest[1] == 's') {
        value = to_text(budget_, value);
      } else {
        raise("Unknown conversion specifier {}", rest[1]);
      }
      rest.remove_prefix(2);
    }
    if (rest.starts_with(':')) rest.remove_prefix(1);
    return formatted(budget_, value, run(rest, levels - 1));
  }

  Value lookup(std::string_view name) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, end));
    for (size_t at = end; at < name.size();) {
      if (name[at] == '.') {
        const size_t stop = std::min(name.find_first_of(".[", at + 1), name.size());
        if (stop == at + 1) raise("Empty attribute in format string");
        value = attribute_of(budget_, value, name.substr(at + 1, stop - at - 1));
        at = stop;
      } else if (name[at] == '[') {
        const size_t stop = name.find(']', at);
        if (stop == std::string_view::npos) raise("Missing ']' in format string");
        const std::string_view key = name.substr(at + 1, stop - at - 1);
        if (key.empty()) raise("Empty attribute in format string");
        const bool digits = std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
        const auto index = digits ? parse_integer(key, 10) : std::nullopt;
        value = item_of(budget_, value, index ? Value(*index) : Value(key));
        at = stop + 1;
      } else {
        raise("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  Value argument(std::string_view name) {
    std::optional<int64_t> index;
    if (name.empty()) {
      if (numbered_) raise("cannot switch from manual field specification to automatic");
      automatic_ = true;
      index = next_++;
    } else if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) {
      if (automatic_) raise("cannot switch from automatic field numbering to manual");
      numbered_ = true;
      index = parse_integer(name, 10);
    }
    if (index) {
      if (*index >= static_cast<int64_t>(arguments_.positional.size())) {
        raise("Replacement index {} out of range for positional args tuple", *index);
      }
      return arguments_.positional[static_cast<size_t>(*index)];
    }
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    raise("KeyError: '{}'", name);
  }

  Budget& budget_;
  const Arguments& arguments_;
  int64_t next_ = 0;
  bool automatic_ = false;
  bool numbered_ = false;
};

}  // namespace

std::string string_format(Budget& budget, std::string_view text, const Arguments& arguments) {
  std::string out = Formatter(budget, arguments).run(text, 2 + 1);
  budget.string(static_cast<int64_t>(out.size()));
  return out;
}

std::string replace_checked(Budget& budget, std::string_view text, std::string_view from,
                            std::string_view to, int64_t most) {
  const int64_t count = count_of(text, from, most);
  const auto growth = static_cast<int64_t>(to.size()) - static_cast<int64_t>(from.size());
  // Both factors are below 2^31: strings are bounded.
  budget.string(static_cast<int64_t>(text.size()) + std::max<int64_t>(growth, 0) * count);
  return replace(text, from, to, most);
}

std::string justify(Budget& budget, std::string_view text, int64_t width, char align,
                    std::string_view fill) {
  const int64_t missing = width - length_of(text);
  if (missing <= 0) return std::string(text);
  if (missing > budget.limits().max_string) budget.string(missing);
  budget.string(static_cast<int64_t>(text.size()) + missing * static_cast<int64_t>(fill.size()));
  // Python puts the odd space of a centred text to the left if the width is odd.
  const int64_t left = align == '>'   ? missing
                       : align == '<' ? 0
                                      : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return out;
}

}  // namespace cadre::text::jinja
