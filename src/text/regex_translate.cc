#include <algorithm>
#include <array>

#include "core/base/error.h"
#include "text/regex.h"

namespace cadre::text {
namespace {

constexpr std::array<std::string_view, 38> kCategories = {
    "C",  "Cc", "Cf", "Cn", "Co", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",  "Mc",
    "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi", "Po",
    "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs", "Cs", "Any"};

// Scripts that published patterns name. PCRE2 would read \p{Han} as "has Han among its script
// extensions", Oniguruma as "is of script Han".
constexpr std::array<std::string_view, 9> kScripts = {
    "Arabic", "Cyrillic", "Devanagari", "Greek", "Han", "Hangul", "Hiragana", "Katakana", "Thai"};

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view where) : pattern_(pattern), where_(where) {}

  std::string run() {
    while (!at_end()) {
      switch (peek()) {
        case '\\':
          escape();
          break;
        case '[':
          character_class();
          break;
        case '(':
          group();
          break;
        case '{':
          repeat();
          break;
        case '^':  // in Ruby, of any line
        case '$':
          replace(1, peek() == '^' ? "(?m:^)" : "(?m:$)");
          break;
        default:
          copy(1);
      }
    }
    return std::move(out_);
  }

 private:
  bool at_end() const { return at_ >= pattern_.size(); }
  char peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  bool starts_with(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  void copy(size_t count) {
    out_ += pattern_.substr(at_, count);
    at_ += count;
  }
  void replace(size_t count, std::string_view text) {
    out_ += text;
    at_ += count;
  }
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorKind::unsupported, "{}: regular expression \"{}\", byte {}: {} not supported", where_,
         pattern_, at_, what);
  }

  void escape() {
    const char c = peek(1);
    switch (c) {
      case 's':
        return replace(2, "\\p{White_Space}");
      case 'S':
        return replace(2, "\\P{White_Space}");
      case 'd':
      case 'D':
      case 't':
      case 'n':
      case 'r':
      case 'f':
        return copy(2);
      case 'v':  // a vertical tab there, any vertical space in PCRE2
        return replace(2, "\\x{0b}");
      case 'p':
      case 'P':
        return property();
      case 'x':
        return hexadecimal();
      case 'u':
        for (size_t i = 2; i < 6; ++i) {
          if (!is_hex(peek(i))) refuse("\\u without four hexadecimal digits is");
        }
        out_ += "\\x{";
        out_ += pattern_.substr(at_ + 2, 4);
        out_ += '}';
        at_ += 6;
        return;
      default:
        if (at_ + 1 >= pattern_.size() || is_alphanumeric(c) || static_cast<uint8_t>(c) >= 0x80) {
          refuse("this escape is");
        }
        copy(2);
    }
  }

  void property() {
    const size_t close = pattern_.find('}', at_);
    if (peek(2) != '{' || close == std::string_view::npos) refuse("a property without braces is");
    const std::string_view name = pattern_.substr(at_ + 3, close - at_ - 3);
    if (std::ranges::find(kCategories, name) != kCategories.end()) return copy(close + 1 - at_);
    if (std::ranges::find(kScripts, name) == kScripts.end()) refuse("this property is");
    out_ += '\\';
    out_ += peek(1);
    out_ += "{sc:";
    out_ += name;
    out_ += '}';
    at_ = close + 1;
  }

  void hexadecimal() {
    size_t first = at_ + 2;
    size_t last = first;
    const bool braced = peek(2) == '{';
    if (braced) last = ++first;
    const size_t limit = first + (braced ? 6 : 2);
    while (last < pattern_.size() && last < limit && is_hex(pattern_[last])) ++last;
    if (last == first || (braced && (last >= pattern_.size() || pattern_[last] != '}'))) {
      refuse("this \\x escape is");
    }
    out_ += "\\x{";
    out_ += pattern_.substr(first, last - first);
    out_ += '}';
    at_ = last + (braced ? 1 : 0);
  }

  void character_class() {
    copy(1);
    if (peek() == '^') copy(1);
    if (peek() == ']') refuse("an empty character class is");
    while (true) {
      if (at_end()) refuse("a character class without end is");
      if (peek() == ']') return copy(1);
      if (peek() == '[') refuse("a character class in another is");
      if (starts_with("&&")) refuse("an intersection of character classes is");
      if (peek() == '\\') {
        escape();
      } else {
        copy(1);
      }
    }
  }

  void group() {
    if (starts_with("(*")) refuse("a verb is");
    if (!starts_with("(?")) return copy(1);
    for (std::string_view opening : {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
      if (starts_with(opening)) return copy(opening.size());
    }
    refuse("this kind of group is");
  }

  void repeat() {
    size_t end = at_ + 1;
    const auto digits = [&] {
      const size_t first = end;
      while (end < pattern_.size() && is_digit(pattern_[end])) ++end;
      return end - first;
    };
    const size_t least = digits();
    if (least > 0 && end < pattern_.size() && pattern_[end] == ',') {
      ++end;
      digits();
    }
    if (least == 0 || end >= pattern_.size() || pattern_[end] != '}') refuse("this brace is");
    copy(end + 1 - at_);
    if (peek() == '+') refuse("+ after a counted repeat is");
  }

  std::string_view pattern_;
  std::string_view where_;
  std::string out_;
  size_t at_ = 0;
};

}  // namespace

std::string translate_pattern(std::string_view pattern, std::string_view where) {
  return Translator(pattern, where).run();
}

}  // namespace cadre::text
