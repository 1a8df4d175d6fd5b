#include "text/jinja/string_literal.h"

#include <fmt/core.h>

#include <cstdint>

#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool append_code_point(uint32_t value, std::string& out) {
  if (value > 0x10ffff) return false;
  append_utf8(value >= 0xd800 && value < 0xe000 ? char32_t{0xfffd} : char32_t{value}, out);
  return true;
}

char simple_escape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return 0;
  }
}

// Jinja turns characters beyond ASCII into escapes before it decodes them all, which shows where a
// backslash stands before one: its escape loses its own backslash.
std::string ascii_escape(char32_t value) {
  const auto number = static_cast<uint32_t>(value);
  if (number < 0x100) return fmt::format("x{:02x}", number);
  if (number < 0x10000) return fmt::format("u{:04x}", number);
  return fmt::format("U{:08x}", number);
}

}  // namespace

bool unescape_literal(std::string_view text, std::string& out) {
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '\\') {
      out += text[at++];
      continue;
    }
    if (++at == text.size()) return false;
    const char c = text[at];
    if (c == '\n') {
      ++at;
    } else if (const char simple = simple_escape(c)) {
      out += simple;
      ++at;
    } else if (c >= '0' && c <= '7') {
      uint32_t value = 0;
      for (int i = 0; i < 3 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++i) {
        value = value * 8 + static_cast<uint32_t>(text[at++] - '0');
      }
      append_utf8(value, out);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const int count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      uint32_t value = 0;
      ++at;
      for (int i = 0; i < count; ++i, ++at) {
        const int digit = at < text.size() ? hex_digit(text[at]) : -1;
        if (digit < 0) return false;
        value = value * 16 + static_cast<uint32_t>(digit);
      }
      if (!append_code_point(value, out)) return false;
    } else if (c == 'N') {
      return false;  // names of characters need a table that nothing else here asks for
    } else if (static_cast<uint8_t>(c) < 0x80) {
      out += '\\';
      out += c;
      ++at;
    } else {
      const CodePoint point = decode_at(text, at);
      out += '\\';
      out += ascii_escape(point.value);
      at += static_cast<size_t>(point.size);
    }
  }
  return true;
}

}  // namespace cadre::text::jinja
