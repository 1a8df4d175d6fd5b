// Which characters are letters, numbers and white space, as one table look-up.
#pragma once

#include <cstdint>
#include <vector>

namespace cadre::text {

enum class CharClass : uint8_t { other, letter, number, space };

// The table of all code points, filled by asking PCRE2 for \p{L} and \p{N} once, so that what is
// scanned by hand and what is matched by pattern rest on one edition of Unicode. Building it takes
// a few milliseconds; immutable, so threads may share it.
class CharClasses {
 public:
  CharClasses();
  CharClass operator[](char32_t value) const { return table_[value]; }

 private:
  std::vector<CharClass> table_;  // 0x110000 entries
};

// Unicode's definition of a word character (Technical Standard 18, annex C): Alphabetic, Mark,
// decimal number, connector punctuation and the two joiners; \w of regular expressions.
bool is_word_character(char32_t c);

// What the `tokenizers` library takes for punctuation (general category P, and the characters of
// ASCII that C calls so) and for marks (category M); newer characters are neither.
bool is_punctuation(char32_t c);
bool is_mark(char32_t c);
// Numbers to that library that are none to CharClasses, whose Unicode is older.
bool is_newer_number(char32_t c);

}  // namespace cadre::text
