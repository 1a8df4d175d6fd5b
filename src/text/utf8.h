// UTF-8: the one encoding of text inside Cadre.
//
// Text from outside may be anything. It is repaired once, where it enters, by the rule of the
// Unicode standard (chapter 3.9, "substitution of maximal subparts") that Python's
// errors="replace" and Rust's from_utf8_lossy follow too: each maximal part of a broken sequence
// becomes one U+FFFD. Behind that point all strings are valid. Surrogates, overlong forms and
// values above U+10FFFF are broken. Pure functions, safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cadre::text {

struct CodePoint {
  char32_t value;
  int size;  // bytes, 1 to 4
};

// The character that starts at text[at]. The text must be valid and `at` a boundary inside it.
inline CodePoint decode_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const auto tail = [&](size_t i) { return static_cast<char32_t>(byte(i) & 0x3f); };
  if (lead < 0xe0) return {(lead & 0x1fu) << 6 | tail(1), 2};
  if (lead < 0xf0) return {(lead & 0x0fu) << 12 | tail(1) << 6 | tail(2), 3};
  return {(lead & 0x07u) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

// Where the character before text[at] starts; at >= 1, at a boundary of valid text.
inline size_t previous_boundary(std::string_view text, size_t at) {
  do {
    --at;
  } while ((static_cast<uint8_t>(text[at]) & 0xc0) == 0x80);
  return at;
}

// Appends the character; value must be a Unicode scalar value.
void append_utf8(char32_t value, std::string& out);

// The length of the longest prefix that is valid.
size_t valid_prefix(std::string_view text);
inline bool is_valid_utf8(std::string_view text) { return valid_prefix(text) == text.size(); }

// Appends text with each maximal broken part replaced by U+FFFD.
void append_repaired(std::string_view text, std::string& out);

// The length of text without a last character that has begun properly but still lacks bytes: what
// a decoder may show now, whatever bytes follow. At most three bytes are held back.
size_t complete_prefix(std::string_view text);

// Unicode's White_Space property, which regular expressions of tokenizers mean by \s.
bool is_white_space(char32_t value);

}  // namespace cadre::text
