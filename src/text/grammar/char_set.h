// Sets of Unicode characters, as grammars and regular expressions have them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cadre::text::grammar {

// Both ends are in it.
struct CharRange {
  char32_t low;
  char32_t high;
  bool operator==(const CharRange&) const = default;
};

// A set of Unicode scalar values (no surrogates), as sorted ranges that do not touch.
class CharSet {
 public:
  CharSet() = default;
  // In any order, overlapping or not; what is no scalar value is left out.
  explicit CharSet(std::vector<CharRange> ranges);
  static CharSet all();
  static CharSet of(char32_t value) { return CharSet({{value, value}}); }

  const std::vector<CharRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool contains(char32_t value) const;
  CharSet complement() const;
  bool operator==(const CharSet&) const = default;

 private:
  std::vector<CharRange> ranges_;
};

CharSet operator|(const CharSet& a, const CharSet& b);
CharSet operator&(const CharSet& a, const CharSet& b);

// A general category of Unicode by its short or long name (L, Letter, Nd, Decimal_Number, ...);
// false if there is none of that name.
bool find_category(std::string_view name, CharSet& out);

// Bytes from `low` to `high`.
struct ByteRange {
  uint8_t low;
  uint8_t high;
  auto operator<=>(const ByteRange&) const = default;
};

// The UTF-8 of a range of scalar values, as sequences of one to four byte ranges that together
// spell exactly these characters.
std::vector<std::vector<ByteRange>> utf8_sequences(CharRange range);

}  // namespace cadre::text::grammar
