#include "text/gpt2_scanner.h"

#include "text/utf8.h"

namespace cadre::text {
namespace {

// The length of 's, 't, 're, 've, 'm, 'll or 'd at text[at], which is an apostrophe; else 0.
size_t contraction(std::string_view text, size_t at) {
  const char first = at + 1 < text.size() ? text[at + 1] : '\0';
  const char second = at + 2 < text.size() ? text[at + 2] : '\0';
  switch (first) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 2;
    case 'r':
    case 'v':
      return second == 'e' ? 3 : 0;
    case 'l':
      return second == 'l' ? 3 : 0;
    default:
      return 0;
  }
}

size_t run_end(const CharClasses& classes, std::string_view text, size_t at, CharClass run) {
  while (at < text.size()) {
    const CodePoint c = decode_at(text, at);
    if (classes[c.value] != run) break;
    at += c.size;
  }
  return at;
}

}  // namespace

size_t gpt2_word_end(const CharClasses& classes, std::string_view text, size_t at) {
  const char lead = text[at];
  if (lead == '\'') {
    if (const size_t length = contraction(text, at)) return at + length;
  }
  CodePoint c = decode_at(text, at);
  CharClass kind = classes[c.value];
  if (lead == ' ' && at + 1 < text.size()) {
    const CodePoint next = decode_at(text, at + 1);
    if (classes[next.value] != CharClass::space) {
      ++at;
      c = next;
      kind = classes[next.value];
    }
  }
  const size_t end = run_end(classes, text, at + c.size, kind);
  if (kind != CharClass::space || end == text.size()) return end;
  const size_t last = previous_boundary(text, end);
  return last > at ? last : end;
}

}  // namespace cadre::text
