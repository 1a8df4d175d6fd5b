#include "text/grammar/pattern_parser.h"

#include "core/base/error.h"
#include "text/utf8.h"

namespace cadre::text::grammar {
namespace {

const CharSet& digits() {
  static const CharSet set({{'0', '9'}});
  return set;
}

const CharSet& word_characters() {
  static const CharSet set({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
  return set;
}

// WhiteSpace and LineTerminator of ECMA-262.
const CharSet& white_space() {
  static const CharSet set({{'\t', '\r'},
                            {' ', ' '},
                            {0xa0, 0xa0},
                            {0x1680, 0x1680},
                            {0x2000, 0x200a},
                            {0x2028, 0x2029},
                            {0x202f, 0x202f},
                            {0x205f, 0x205f},
                            {0x3000, 0x3000},
                            {0xfeff, 0xfeff}});
  return set;
}

const CharSet& line_ends() {
  static const CharSet set({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}});
  return set;
}

bool is_letter_or_digit(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int hex_value(char32_t c) {
  if (c >= '0' && c <= '9') return static_cast<int>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<int>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<int>(c - 'A') + 10;
  return -1;
}

}  // namespace

PatternParser::PatternParser(std::string_view pattern, std::string_view where, GrammarData& data)
    : text_(pattern), where_(where), data_(data) {
  if (!is_valid_utf8(pattern)) {
    fail(ErrorKind::invalid_input, "{}: the pattern is not UTF-8", where_);
  }
}

void PatternParser::broken(std::string_view message) const {
  fail(ErrorKind::invalid_input, "{}: pattern \"{}\", byte {}: {}", where_, text_.substr(0, 200),
       at_, message);
}

void PatternParser::refuse(std::string_view what) const {
  fail(ErrorKind::unsupported,
       "{}: pattern \"{}\", byte {}: {} not supported, expected a regular language", where_,
       text_.substr(0, 200), at_, what);
}

bool PatternParser::take(std::string_view what) {
  if (!next_is(what)) return false;
  at_ += what.size();
  return true;
}

char32_t PatternParser::take_char() {
  if (done()) broken("ends too early");
  const CodePoint c = decode_at(text_, at_);
  at_ += static_cast<size_t>(c.size);
  return c.value;
}

int32_t PatternParser::parse() {
  const int32_t expression = alternatives(0);
  if (!done()) broken("a ) without its (");
  return expression;
}

int32_t PatternParser::alternatives(int64_t depth) {
  if (depth > data_.limits.max_depth) {
    fail(ErrorKind::exhausted, "{}: groups nested deeper than {}", where_, data_.limits.max_depth);
  }
  std::vector<int32_t> parts = {sequence(depth)};
  while (take("|")) parts.push_back(sequence(depth));
  return data_.choice(std::move(parts));
}

int32_t PatternParser::sequence(int64_t depth) {
  std::vector<int32_t> parts;
  while (!done() && !next_is("|") && !next_is(")")) parts.push_back(quantified(atom(depth)));
  return data_.sequence(std::move(parts));
}

int32_t PatternParser::atom(int64_t depth) {
  if (take("^")) return data_.add({.op = Op::text_begin});
  if (take("$")) return data_.add({.op = Op::text_end});
  if (take("(")) return group(depth);
  if (take(".")) return data_.chars(line_ends().complement());
  if (take("[")) return data_.chars(char_class());
  if (take("\\")) return escape();
  for (const char* quantifier : {"*", "+", "?"}) {
    if (next_is(quantifier)) broken("a quantifier with nothing before it");
  }
  int64_t min = 0;
  int64_t max = 0;
  if (next_is("{") && counts(min, max)) broken("a quantifier with nothing before it");
  return data_.chars(CharSet::of(take_char()));
}

int32_t PatternParser::group(int64_t depth) {
  if (take("?")) {
    if (next_is("=") || next_is("!")) refuse("look-ahead is");
    if (next_is("<=") || next_is("<!")) refuse("look-behind is");
    if (next_is(">")) refuse("an atomic group is");
    if (take("<") || take("P<")) {
      while (!take(">")) {
        if (done() || take_char() == ')') broken("a group's name without its >");
      }
    } else if (!take(":")) {
      refuse("a group of this kind is");
    }
  }
  const int32_t inner = alternatives(depth + 1);
  if (!take(")")) broken("a ( without its )");
  return inner;
}

int32_t PatternParser::quantified(int32_t part) {
  int64_t min = 1;
  int64_t max = 1;
  if (take("*")) {
    min = 0;
    max = -1;
  } else if (take("+")) {
    max = -1;
  } else if (take("?")) {
    min = 0;
  } else if (!counts(min, max)) {
    return part;
  }
  const Op op = data_.expressions[static_cast<size_t>(part)].op;
  if (op == Op::text_begin || op == Op::text_end) broken("a quantifier behind an anchor");
  if (take("+")) refuse("a possessive quantifier is");
  take("?");  // lazy: the same texts
  int64_t ignored = 0;
  if (next_is("*") || next_is("+") || next_is("?") || counts(ignored, ignored)) {
    broken("a quantifier behind a quantifier");
  }
  return data_.repeat(part, min, max);
}

bool PatternParser::number(size_t& at, int64_t& value) const {
  const size_t begin = at;
  value = 0;
  for (; at < text_.size() && text_[at] >= '0' && text_[at] <= '9'; ++at) {
    value = std::min<int64_t>(value * 10 + (text_[at] - '0'), int64_t{1} << 40);
  }
  return at > begin;
}

// {m}, {m,} or {m,n}; a brace that begins none of them is a character.
bool PatternParser::counts(int64_t& min, int64_t& max) {
  if (!next_is("{")) return false;
  size_t at = at_ + 1;
  if (!number(at, min)) return false;
  max = min;
  if (at < text_.size() && text_[at] == ',') {
    ++at;
    if (!number(at, max)) max = -1;
  }
  if (at >= text_.size() || text_[at] != '}') return false;
  if (max >= 0 && max < min) broken("a quantifier whose bounds are the wrong way round");
  at_ = at + 1;
  return true;
}

char32_t PatternParser::hexadecimal(int digits) {
  char32_t value = 0;
  const bool braces = take("{");
  for (int i = 0; braces ? !take("}") : i < digits; ++i) {
    const int digit = done() ? -1 : hex_value(take_char());
    if (digit < 0 || i > 7) broken("expected hexadecimal digits");
    value = value << 4 | static_cast<char32_t>(digit);
  }
  return value;
}

// \uD83D\uDE00 is one character.
char32_t PatternParser::code_unit(char32_t letter) {
  char32_t value = hexadecimal(letter == 'x' ? 2 : 4);
  if (value >= 0xd800 && value < 0xdc00 && take("\\u")) {
    const char32_t low = hexadecimal(4);
    if (low < 0xdc00 || low > 0xdfff) broken("a surrogate without its other half");
    value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
  }
  if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
    broken("an escape that is no character");
  }
  return value;
}

bool PatternParser::class_escape(char32_t letter, CharSet& set) {
  const auto either = [&](const CharSet& positive, char32_t upper) {
    set = letter == upper ? positive.complement() : positive;
    return true;
  };
  if (letter == 'd' || letter == 'D') return either(digits(), 'D');
  if (letter == 'w' || letter == 'W') return either(word_characters(), 'W');
  if (letter == 's' || letter == 'S') return either(white_space(), 'S');
  if (letter != 'p' && letter != 'P') return false;
  std::string name;
  if (take("{")) {
    while (!take("}")) append_utf8(take_char(), name);
  } else {
    append_utf8(take_char(), name);
  }
  constexpr std::string_view kPrefixes[] = {"gc=", "General_Category="};
  for (const std::string_view prefix : kPrefixes) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  CharSet category;
  if (!find_category(name, category)) refuse(fmt::format("the property \"{}\" is", name));
  return either(category, 'P');
}

char32_t PatternParser::char_escape(char32_t letter, bool in_class) {
  switch (letter) {
    case 't':
      return '\t';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    case 'x':
    case 'u':
      return code_unit(letter);
    case 'c': {
      const char32_t control = take_char();
      if (!is_letter_or_digit(control) || control <= '9') broken("\\c without a letter");
      return control % 32;
    }
    case '0':
      if (!done() && text_[at_] >= '0' && text_[at_] <= '9') refuse("an octal escape is");
      return 0;
    case 'b':
      if (in_class) return '\b';
      refuse("a word boundary is");
    case 'B':
      refuse("a word boundary is");
    case 'k':
      refuse("a back reference is");
    default:
      break;
  }
  if (letter >= '1' && letter <= '9') refuse("a back reference is");
  if (is_letter_or_digit(letter)) {
    refuse(fmt::format("the escape \\{} is", static_cast<char>(letter)));
  }
  return letter;
}

int32_t PatternParser::escape() {
  const char32_t letter = take_char();
  if (letter == 'A') return data_.add({.op = Op::text_begin});
  if (letter == 'z') return data_.add({.op = Op::text_end});
  CharSet set;
  if (class_escape(letter, set)) return data_.chars(std::move(set));
  return data_.chars(CharSet::of(char_escape(letter, false)));
}

CharSet PatternParser::char_class() {
  const bool negated = take("^");
  std::vector<CharRange> ranges;
  // One element; false if it was a set, which cannot be the end of a range.
  const auto element = [&](char32_t& value) {
    if (next_is("[:")) refuse("a POSIX class is");
    value = take_char();
    if (value != '\\') return true;
    const char32_t letter = take_char();
    CharSet set;
    if (class_escape(letter, set)) {
      ranges.insert(ranges.end(), set.ranges().begin(), set.ranges().end());
      return false;
    }
    value = char_escape(letter, true);
    return true;
  };
  while (!take("]")) {
    if (done()) broken("a [ without its ]");
    char32_t low = 0;
    const bool single = element(low);
    if (!next_is("-") || next_is("-]")) {
      if (single) ranges.push_back({low, low});
      continue;
    }
    take("-");
    char32_t high = 0;
    if (!single || !element(high)) broken("a range with a class as its end");
    if (high < low) broken("a range whose ends are the wrong way round");
    ranges.push_back({low, high});
  }
  const CharSet set(std::move(ranges));
  return negated ? set.complement() : set;
}

}  // namespace cadre::text::grammar
