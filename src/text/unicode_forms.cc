#include "text/unicode_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "core/base/error.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

struct CharRange {
  char32_t first;
  char32_t last;
};

// What utf8proc knows to combine or decompose and Unicode 9 did not: found by asking both for every
// code point.
constexpr CharRange kNewer[] = {
    {0x07fd, 0x07fd},   {0x0898, 0x089f},   {0x08ca, 0x08d3},   {0x09fe, 0x09fe},
    {0x0c3c, 0x0c3c},   {0x0d3b, 0x0d3c},   {0x0eba, 0x0eba},   {0x1715, 0x1715},
    {0x1abf, 0x1ace},   {0x1df6, 0x1dfa},   {0x32ff, 0x32ff},   {0xa7f2, 0xa7f4},
    {0xa82c, 0xa82c},   {0xab69, 0xab69},   {0x10781, 0x10785}, {0x10787, 0x107b0},
    {0x107b2, 0x107ba}, {0x10d24, 0x10d27}, {0x10eab, 0x10eac}, {0x10efd, 0x10eff},
    {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
    {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11930, 0x11943}, {0x119e0, 0x119e0},
    {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d45},
    {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x16ff0, 0x16ff1}, {0x1e030, 0x1e06d},
    {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef},
    {0x1e4ec, 0x1e4ef}, {0x1f16c, 0x1f16c}, {0x1fbf0, 0x1fbf9}};

bool is_newer(char32_t c) {
  const auto* range = std::ranges::lower_bound(kNewer, c, {}, &CharRange::last);
  return range != std::end(kNewer) && range->first <= c;
}

bool is_between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// Whether the form leaves the character alone wherever it stands, except that a character behind it
// may join it: so the stretch between two such characters, with the first, is normalised alone.
bool is_inert(char32_t c, NormalForm form) {
  if (c < 0x80 || (form == NormalForm::nfc && c < 0x300)) return true;
  if (is_between(c, 0x1100, 0x11ff)) return false;  // jamo join the syllable before them
  if (is_between(c, 0xac00, 0xd7a3)) return form == NormalForm::nfc || form == NormalForm::nfkc;
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  if (property->combining_class != 0 || property->decomp_seqindex != UINT16_MAX) return is_newer(c);
  // Characters that join those before them without being marks; in these blocks there are none.
  const bool may_join =
      property->comb_index != UINT16_MAX && c >= 0x900 && !is_between(c, 0x3040, 0x30ff);
  return !may_join || is_newer(c);
}

size_t inert_prefix(std::string_view text, NormalForm form) {
  size_t at = 0;
  while (at < text.size()) {
    const CodePoint c = decode_at(text, at);
    if (!is_inert(c.value, form)) return at;
    at += c.size;
  }
  return at;
}

int combining_class(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

void decompose(char32_t c, utf8proc_option_t options, std::vector<utf8proc_int32_t>& out) {
  utf8proc_int32_t buffer[32];
  int boundary = 0;
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer, 32, options, &boundary);
  CADRE_CHECK(count >= 0 && count <= 32);
  out.insert(out.end(), buffer, buffer + count);
}

// The canonical order of runs of combining marks. utf8proc would sort them itself, but by
// insertion, and a text of half a million marks in the wrong order is easily written.
void order_marks(std::vector<utf8proc_int32_t>& chars) {
  for (size_t at = 0; at < chars.size();) {
    if (combining_class(chars[at]) == 0) {
      ++at;
      continue;
    }
    size_t end = at + 1;
    while (end < chars.size() && combining_class(chars[end]) != 0) ++end;
    if (end - at > 1) {
      std::stable_sort(chars.begin() + static_cast<std::ptrdiff_t>(at),
                       chars.begin() + static_cast<std::ptrdiff_t>(end),
                       [](utf8proc_int32_t a, utf8proc_int32_t b) {
                         return combining_class(a) < combining_class(b);
                       });
    }
    at = end;
  }
}

void append_normalized(std::string_view text, NormalForm form, std::string& out) {
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  const bool compose = form == NormalForm::nfc || form == NormalForm::nfkc;
  int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (compatible) options |= UTF8PROC_COMPAT;
  std::vector<utf8proc_int32_t> chars;
  chars.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_at(text, at);
    decompose(c.value, static_cast<utf8proc_option_t>(options), chars);
    at += c.size;
  }
  order_marks(chars);
  auto count = static_cast<utf8proc_ssize_t>(chars.size());
  if (compose) {
    const auto composing = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    count = utf8proc_normalize_utf32(chars.data(), count, composing);
    CADRE_CHECK(count >= 0);
  }
  for (utf8proc_ssize_t i = 0; i < count; ++i) append_utf8(static_cast<char32_t>(chars[i]), out);
}

}  // namespace

bool is_normal(std::string_view text, NormalForm form) {
  return inert_prefix(text, form) == text.size();
}

// Normalises only the stretches that need it, each with the character before it.
void append_normal(std::string_view text, NormalForm form, std::string& out) {
  while (!text.empty()) {
    size_t begin = inert_prefix(text, form);
    if (begin == text.size()) {
      out += text;
      return;
    }
    if (begin > 0) {
      const size_t before = previous_boundary(text, begin);
      if (!is_newer(decode_at(text, before).value)) begin = before;
    }
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    size_t end = decode_at(text, 0).size;
    while (end < text.size()) {
      const CodePoint c = decode_at(text, end);
      if (is_inert(c.value, form)) break;
      end += c.size;
    }
    append_normalized(text.substr(0, end), form, out);
    text.remove_prefix(end);
  }
}

void append_lower(std::string_view text, std::string& out) {
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_at(text, at);
    at += c.size;
    if (c.value < 0x80) {
      out += static_cast<char>(c.value >= 'A' && c.value <= 'Z' ? c.value + 32 : c.value);
    } else if (c.value == 0x130) {  // the one letter whose lower case is two characters
      out += "i\u0307";
    } else {
      append_utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.value))),
                  out);
    }
  }
}

}  // namespace cadre::text
