#include "text/jinja/python_text.h"

#include <fmt/core.h>
#include <utf8proc.h>

#include <algorithm>

#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

template <typename Map>
std::string mapped(std::string_view text, Map&& map) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_at(text, at);
    map(at, point.value, out);
    at += static_cast<size_t>(point.size);
  }
  return out;
}

utf8proc_category_t category(char32_t value) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(value));
}

char32_t to_lower(char32_t value) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(value)));
}

char32_t to_upper(char32_t value) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(value)));
}

constexpr char32_t kSharpS = 0xdf;
constexpr char32_t kSigma = 0x3a3;
constexpr char32_t kFinalSigma = 0x3c2;

bool is_cased(char32_t value) {
  const utf8proc_category_t kind = category(value);
  return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL ||
         kind == UTF8PROC_CATEGORY_LT || to_lower(value) != value || to_upper(value) != value;
}

bool is_upper_case(char32_t value) {
  return category(value) == UTF8PROC_CATEGORY_LU ||
         (category(value) != UTF8PROC_CATEGORY_LT && to_lower(value) != value);
}

bool is_lower_case(char32_t value) {
  return is_cased(value) && !is_upper_case(value) && category(value) != UTF8PROC_CATEGORY_LT;
}

void append_upper(char32_t value, std::string& out) {
  if (value == kSharpS) {
    out += "SS";
  } else {
    append_utf8(to_upper(value), out);
  }
}

// Sigma at the end of a word is another letter.
void append_lower(std::string_view text, size_t at, char32_t value, std::string& out) {
  if (value == kSigma) {
    const size_t next = at + 2;
    const bool after = at > 0 && is_cased(decode_at(text, previous_boundary(text, at)).value);
    const bool before = next < text.size() && is_cased(decode_at(text, next).value);
    append_utf8(after && !before ? kFinalSigma : to_lower(value), out);
  } else {
    append_utf8(to_lower(value), out);
  }
}

void append_title(char32_t value, std::string& out) {
  if (value == kSharpS) {
    out += "Ss";
  } else {
    append_utf8(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(value))), out);
  }
}

template <typename Wanted, typename Unwanted>
bool all_cased(std::string_view text, Wanted&& wanted, Unwanted&& unwanted) {
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_at(text, at);
    if (unwanted(point.value)) return false;
    found = found || wanted(point.value);
    at += static_cast<size_t>(point.size);
  }
  return found;
}

}  // namespace

int64_t length_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; });
}

size_t offset_of(std::string_view text, int64_t index) {
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index) {
    at += static_cast<size_t>(decode_at(text, at).size);
  }
  return at;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> list;
  for (size_t at = 0; at < text.size();) {
    const auto size = static_cast<size_t>(decode_at(text, at).size);
    list.push_back(text.substr(at, size));
    at += size;
  }
  return list;
}

std::string reversed(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t end = text.size(); end > 0;) {
    const size_t begin = previous_boundary(text, end);
    out += text.substr(begin, end - begin);
    end = begin;
  }
  return out;
}

bool is_space(char32_t value) { return is_white_space(value) || (value >= 0x1c && value <= 0x1f); }

std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> drop) {
  const auto goes = [&](size_t at, size_t size) {
    if (!drop) return is_space(decode_at(text, at).value);
    // A character of valid UTF-8 is found nowhere but at a boundary.
    return drop->find(text.substr(at, size)) != std::string_view::npos;
  };
  size_t begin = 0;
  size_t end = text.size();
  while (side != Side::right && begin < end) {
    const auto size = static_cast<size_t>(decode_at(text, begin).size);
    if (!goes(begin, size)) break;
    begin += size;
  }
  while (side != Side::left && end > begin) {
    const size_t at = previous_boundary(text, end);
    if (!goes(at, end - at)) break;
    end = at;
  }
  return text.substr(begin, end - begin);
}

std::string upper(std::string_view text) {
  return mapped(text, [](size_t, char32_t value, std::string& out) { append_upper(value, out); });
}

std::string lower(std::string_view text) {
  return mapped(text, [&](size_t at, char32_t value, std::string& out) {
    append_lower(text, at, value, out);
  });
}

std::string capitalize(std::string_view text) {
  return mapped(text, [&](size_t at, char32_t value, std::string& out) {
    if (at == 0) {
      append_title(value, out);
    } else {
      append_lower(text, at, value, out);
    }
  });
}

std::string title(std::string_view text) {
  bool inside = false;
  return mapped(text, [&](size_t at, char32_t value, std::string& out) {
    if (inside) {
      append_lower(text, at, value, out);
    } else {
      append_title(value, out);
    }
    inside = is_cased(value);
  });
}

std::string swapcase(std::string_view text) {
  return mapped(text, [&](size_t at, char32_t value, std::string& out) {
    if (is_upper_case(value)) {
      append_lower(text, at, value, out);
    } else {
      append_upper(value, out);
    }
  });
}

bool is_upper(std::string_view text) {
  return all_cased(text, is_upper_case, [](char32_t value) {
    return is_lower_case(value) || category(value) == UTF8PROC_CATEGORY_LT;
  });
}

bool is_lower(std::string_view text) {
  return all_cased(text, is_lower_case, [](char32_t value) {
    return is_upper_case(value) || category(value) == UTF8PROC_CATEGORY_LT;
  });
}

bool is_title(std::string_view text) {
  bool inside = false;
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_at(text, at);
    const bool large = is_upper_case(point.value) || category(point.value) == UTF8PROC_CATEGORY_LT;
    if (large && inside) return false;
    if (is_lower_case(point.value) && !inside) return false;
    inside = is_cased(point.value);
    found = found || inside;
    at += static_cast<size_t>(point.size);
  }
  return found;
}

bool is_alphabetic(char32_t value) {
  const utf8proc_category_t kind = category(value);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t value) { return category(value) == UTF8PROC_CATEGORY_ND; }

bool is_numeric(char32_t value) {
  const utf8proc_category_t kind = category(value);
  return kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO;
}

bool is_printable(char32_t value) {
  if (value == ' ') return true;
  const utf8proc_category_t kind = category(value);
  return kind != UTF8PROC_CATEGORY_CN &&
         !(kind >= UTF8PROC_CATEGORY_ZS && kind <= UTF8PROC_CATEGORY_CO);
}

int64_t count_of(std::string_view text, std::string_view part, int64_t most) {
  int64_t count = 0;
  if (part.empty()) {
    count = length_of(text) + 1;
    return most >= 0 ? std::min(count, most) : count;
  }
  for (size_t at = text.find(part); at != std::string_view::npos && count != most;) {
    ++count;
    at = text.find(part, at + part.size());
  }
  return count;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to,
                    int64_t most) {
  std::string out;
  size_t at = 0;
  if (from.empty()) {
    // Before each character, and at the end.
    for (; most != 0; --most) {
      out += to;
      if (at == text.size()) break;
      const auto size = static_cast<size_t>(decode_at(text, at).size);
      out += text.substr(at, size);
      at += size;
    }
  } else {
    for (; most != 0; --most) {
      const size_t found = text.find(from, at);
      if (found == std::string_view::npos) break;
      out += text.substr(at, found - at);
      out += to;
      at = found + from.size();
    }
  }
  out += text.substr(at);
  return out;
}

std::string text_repr(std::string_view text) {
  const bool double_quotes =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_at(text, at);
    const std::string_view character = text.substr(at, static_cast<size_t>(point.size));
    at += character.size();
    if (point.value == static_cast<char32_t>(quote) || point.value == '\\') {
      out += '\\';
      out += character;
    } else if (point.value == '\n') {
      out += "\\n";
    } else if (point.value == '\r') {
      out += "\\r";
    } else if (point.value == '\t') {
      out += "\\t";
    } else if (is_printable(point.value)) {
      out += character;
    } else if (point.value < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(point.value));
    } else if (point.value < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(point.value));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(point.value));
    }
  }
  return out + quote;
}

}  // namespace cadre::text::jinja
