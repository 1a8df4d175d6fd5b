#include "text/utf8.h"

#include <cstring>

namespace cadre::text {
namespace {

struct Sequence {
  int size;      // bytes that belong to this (possibly broken) sequence, at least 1
  bool valid;    // all bytes there and in range
  bool cut_off;  // broken only because the text ends
};

// Reads one sequence by table 3-7 of the Unicode standard: only the second byte has ranges that
// depend on the first.
Sequence read_sequence(std::string_view text, size_t at) {
  const auto lead = static_cast<uint8_t>(text[at]);
  if (lead < 0x80) return {1, true, false};
  int size = 0;
  uint8_t low = 0x80;
  uint8_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    size = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    size = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    size = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return {1, false, false};
  }
  for (int i = 1; i < size; ++i) {
    if (at + i >= text.size()) return {i, false, true};
    const auto byte = static_cast<uint8_t>(text[at + i]);
    if (byte < low || byte > high) return {i, false, false};
    low = 0x80;
    high = 0xbf;
  }
  return {size, true, false};
}

}  // namespace

void append_utf8(char32_t value, std::string& out) {
  if (value < 0x80) {
    out += static_cast<char>(value);
  } else if (value < 0x800) {
    out += static_cast<char>(0xc0 | value >> 6);
    out += static_cast<char>(0x80 | (value & 0x3f));
  } else if (value < 0x10000) {
    out += static_cast<char>(0xe0 | value >> 12);
    out += static_cast<char>(0x80 | (value >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (value & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | value >> 18);
    out += static_cast<char>(0x80 | (value >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (value >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (value & 0x3f));
  }
}

size_t valid_prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    // Eight ASCII bytes at a time: most text is mostly that.
    while (at + 8 <= text.size()) {
      uint64_t word;
      std::memcpy(&word, text.data() + at, 8);
      if ((word & 0x8080808080808080ull) != 0) break;
      at += 8;
    }
    if (at >= text.size()) break;
    const Sequence sequence = read_sequence(text, at);
    if (!sequence.valid) return at;
    at += sequence.size;
  }
  return at;
}

void append_repaired(std::string_view text, std::string& out) {
  while (true) {
    const size_t good = valid_prefix(text);
    out += text.substr(0, good);
    if (good == text.size()) return;
    out += "\xef\xbf\xbd";
    text.remove_prefix(good + read_sequence(text, good).size);
  }
}

size_t complete_prefix(std::string_view text) {
  // A character that lacks bytes starts among the last three.
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const size_t at = text.size() - back;
    const auto byte = static_cast<uint8_t>(text[at]);
    if ((byte & 0xc0) == 0x80) continue;
    return read_sequence(text, at).cut_off ? at : text.size();
  }
  return text.size();
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

}  // namespace cadre::text
