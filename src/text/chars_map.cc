#include "text/chars_map.h"

#include <utf8proc.h>

#include <cstring>

#include "core/base/error.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

// The parts of a unit of the double array.
constexpr bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
constexpr uint32_t leaf_value(uint32_t unit) { return unit & 0x7fffffffu; }
constexpr uint32_t label(uint32_t unit) { return unit & 0x800000ffu; }
constexpr uint32_t offset(uint32_t unit) { return unit >> 10 << ((unit & 0x200u) >> 6); }

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

size_t grapheme_end(std::string_view text, size_t begin) {
  CodePoint last = decode_at(text, begin);
  size_t at = begin + last.size;
  utf8proc_int32_t state = 0;
  while (at < text.size()) {
    const CodePoint c = decode_at(text, at);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last.value),
                                         static_cast<utf8proc_int32_t>(c.value), &state)) {
      break;
    }
    at += c.size;
    last = c;
  }
  return at;
}

}  // namespace

CharsMap::CharsMap(std::string_view bytes, std::string_view where) {
  const uint64_t size = bytes.size() < 4 ? 0 : little_endian(bytes);
  if (bytes.size() < 4 || size > bytes.size() - 4 || size % 4 != 0 || size == 0) {
    fail(ErrorKind::corrupt_data,
         "{}: a charsmap of {} bytes with a trie of {}, expected 4 or more", where, bytes.size(),
         size);
  }
  for (size_t at = 4; at < 4 + size; at += 4) units_.push_back(little_endian(bytes.substr(at, 4)));
  strings_ = bytes.substr(4 + size);
  if (strings_.empty() || strings_.back() != '\0') {
    fail(ErrorKind::corrupt_data, "{}: the strings of a charsmap do not end in a zero byte", where);
  }
  // A valid string stays valid when it is cut at zero bytes, wherever offsets point if they point
  // to the beginning of a character.
  if (!is_valid_utf8(strings_)) {
    fail(ErrorKind::corrupt_data, "{}: the strings of a charsmap are not UTF-8", where);
  }
}

template <typename Visit>
void CharsMap::walk(std::string_view text, const Visit& visit) const {
  uint32_t node = offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    if (node >= units_.size()) return;
    const uint32_t unit = units_[node];
    if (label(unit) != byte) return;
    node ^= offset(unit);
    if (node >= units_.size()) return;
    // A broken table may end a string within a character.
    const bool whole = i + 1 == text.size() || (static_cast<uint8_t>(text[i + 1]) & 0xc0) != 0x80;
    if (whole && has_leaf(unit) && !visit(i + 1, leaf_value(units_[node]))) return;
  }
}

std::string_view CharsMap::content_at(uint32_t offset) const {
  // A table that points elsewhere is broken; nothing is what it says then.
  if (offset >= strings_.size() || (static_cast<uint8_t>(strings_[offset]) & 0xc0) == 0x80)
    return {};
  return {strings_.data() + offset, std::strlen(strings_.data() + offset)};
}

CharsMap::Match CharsMap::longest(std::string_view text) const {
  constexpr int kMostResults = 32;
  int results = 0;
  Match match;
  uint32_t value = 0;
  walk(text, [&](size_t length, uint32_t found) {
    match.length = length;
    value = found;
    return ++results < kMostResults;
  });
  if (match.length > 0) match.content = content_at(value);
  return match;
}

CharsMap::Match CharsMap::shortest(std::string_view text) const {
  Match match;
  walk(text, [&](size_t length, uint32_t found) {
    match = {length, content_at(found)};
    return false;
  });
  return match;
}

void CharsMap::rewrite_graphemes(std::string_view text, std::string& out, size_t most) const {
  constexpr size_t kWholeBytes = 6;
  for (size_t at = 0; at < text.size() && out.size() <= most;) {
    const size_t end = grapheme_end(text, at);
    const std::string_view grapheme = text.substr(at, end - at);
    at = end;
    if (grapheme.size() < kWholeBytes) {
      if (const Match match = shortest(grapheme); match.length > 0) {
        out += match.content;
        continue;
      }
    }
    for (size_t i = 0; i < grapheme.size() && out.size() <= most;) {
      const std::string_view character = grapheme.substr(i, decode_at(grapheme, i).size);
      const Match match = shortest(character);
      out += match.length > 0 ? match.content : character;
      i += character.size();
    }
  }
}

}  // namespace cadre::text
