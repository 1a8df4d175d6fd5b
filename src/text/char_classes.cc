#include "text/char_classes.h"

#include <string>

#include "text/regex.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

constexpr char32_t kCodePoints = 0x110000;
constexpr char32_t kFirstSurrogate = 0xd800;
constexpr char32_t kAfterSurrogates = 0xe000;

}  // namespace

CharClasses::CharClasses() : table_(kCodePoints, CharClass::other) {
  std::string all;
  all.reserve(4 * kCodePoints);
  for (char32_t c = 0; c < kCodePoints; ++c) {
    if (c == kFirstSurrogate) c = kAfterSurrogates;
    append_utf8(c, all);
    if (is_white_space(c)) table_[c] = CharClass::space;
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
