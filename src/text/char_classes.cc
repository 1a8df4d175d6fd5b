#include "text/char_classes.h"

#include <string>

#include "text/regex.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

constexpr char32_t kCodePoints = 0x110000;

struct CodePointRange {
  char32_t first;
  char32_t end;
};
// All planes that have characters: the others are unassigned (4 to 13) or for private use, so that
// they are `other` without asking. Surrogates are no characters.
constexpr CodePointRange kAssigned[] = {{0, 0xd800}, {0xe000, 0x40000}, {0xe0000, 0xf0000}};

}  // namespace

CharClasses::CharClasses() : table_(kCodePoints, CharClass::other) {
  std::string all;
  for (const CodePointRange& range : kAssigned) {
    for (char32_t c = range.first; c < range.end; ++c) {
      append_utf8(c, all);
      if (is_white_space(c)) table_[c] = CharClass::space;
    }
  }
  RegexScratch scratch;
  const auto mark = [&](const char* pattern, CharClass mark_as) {
    const Regex regex(pattern, "character classes");
    Regex::Iterator runs(regex, all, scratch);
    for (Regex::Match run{}; runs.next(run);) {
      for (size_t at = run.begin; at < run.end;) {
        const CodePoint c = decode_at(all, at);
        table_[c.value] = mark_as;
        at += c.size;
      }
    }
  };
  mark("\\p{L}+", CharClass::letter);
  mark("\\p{N}+", CharClass::number);
}

}  // namespace cadre::text
