#include "text/grammar/gbnf.h"

#include <algorithm>
#include <unordered_map>

#include "core/base/error.h"
#include "text/utf8.h"

namespace cadre::text::grammar {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view where, const GrammarLimits& limits)
      : text_(text), data_{.limits = limits, .where = std::string(where)} {}

  GrammarData parse() {
    const size_t valid = valid_prefix(text_);
    if (valid < text_.size()) {
      at_ = valid;
      broken("the text is not UTF-8");
    }
    for (skip_space(true); !done(); skip_space(true)) rule();
    for (size_t i = 0; i < data_.rules.size(); ++i) {
      if (data_.rules[i].body >= 0) continue;
      at_ = first_use_[i];
      broken(fmt::format("the rule \"{}\" is not defined", data_.rules[i].name));
    }
    const auto root = numbers_.find("root");
    if (root == numbers_.end()) {
      fail(ErrorKind::invalid_input, "{}: has no rule \"root\", which says what the text is",
           data_.where);
    }
    data_.root = root->second;
    return std::move(data_);
  }

 private:
  [[noreturn]] void broken(std::string_view message) const {
    const std::string_view before = text_.substr(0, std::min(at_, text_.size()));
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t last = before.rfind('\n');
    const size_t column = before.size() - (last == std::string_view::npos ? 0 : last + 1) + 1;
    fail(ErrorKind::invalid_input, "{}:{}:{}: {}", data_.where, line, column, message);
  }

  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }

  // Blanks and comments, with their line ends if these do not end the rule.
  void skip_space(bool lines) {
    while (!done()) {
      const char c = text_[at_];
      if (c == '#') {
        while (!done() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string name() {
    const size_t begin = at_;
    while (!done() && is_name_char(text_[at_])) ++at_;
    if (at_ == begin) broken("expected the name of a rule");
    return std::string(text_.substr(begin, at_ - begin));
  }

  int32_t number_of(const std::string& rule_name, size_t used_at) {
    const auto found = numbers_.find(rule_name);
    if (found != numbers_.end()) return found->second;
    const int32_t number = data_.add_rule(rule_name);
    first_use_.push_back(used_at);
    numbers_.emplace(rule_name, number);
    return number;
  }

  void rule() {
    const size_t begin = at_;
    const std::string rule_name = name();
    const auto number = static_cast<size_t>(number_of(rule_name, begin));
    skip_space(false);
    if (!take("::=")) broken("expected ::= behind the name of a rule");
    skip_space(true);
    if (data_.rules[number].body >= 0) {
      at_ = begin;
      broken(fmt::format("the rule \"{}\" is defined twice", rule_name));
    }
    const int32_t body = alternatives(0);
    data_.rules[number].body = body;
    skip_space(false);
    if (!done() && peek() != '\n' && peek() != '\r') broken("expected the end of the line");
  }

  int32_t alternatives(int64_t depth) {
    if (depth > data_.limits.max_depth) {
      fail(ErrorKind::exhausted, "{}: groups nested deeper than {}", data_.where,
           data_.limits.max_depth);
    }
    std::vector<int32_t> parts = {sequence(depth)};
    skip_space(depth > 0);
    while (take("|")) {
      skip_space(true);
      parts.push_back(sequence(depth));
      skip_space(depth > 0);
    }
    return data_.choice(std::move(parts));
  }

  int32_t sequence(int64_t depth) {
    std::vector<int32_t> parts;
    for (;;) {
      skip_space(depth > 0);
      const char c = peek();
      if (done() || c == '|' || c == ')' || c == '\n' || c == '\r') break;
      parts.push_back(repeated(element(depth), depth));
    }
    return data_.sequence(std::move(parts));
  }

  int32_t element(int64_t depth) {
    if (take("\"")) {
      std::string bytes;
      while (!take("\"")) append_utf8(character(), bytes);
      return data_.bytes(std::move(bytes));
    }
    if (take("[")) return data_.chars(char_class());
    if (take(".")) return data_.chars(CharSet::all());
    if (take("(")) {
      skip_space(true);
      const int32_t inner = alternatives(depth + 1);
      skip_space(true);
      if (!take(")")) broken("expected a )");
      return inner;
    }
    if (peek() == '<' || peek() == '!') {
      fail(ErrorKind::unsupported, "{}: tokens (<...>) are not supported, expected their text",
           data_.where);
    }
    if (!is_name_char(peek())) broken("expected a literal, a class, a group or a rule");
    const size_t begin = at_;
    return data_.call(number_of(name(), begin));
  }

  int32_t repeated(int32_t part, int64_t depth) {
    // llama.cpp lets blanks, and in groups lines, stand before a repetition.
    for (;;) {
      const size_t before = at_;
      skip_space(depth > 0);
      if (take("*")) {
        part = data_.repeat(part, 0, -1);
      } else if (take("+")) {
        part = data_.repeat(part, 1, -1);
      } else if (take("?")) {
        part = data_.repeat(part, 0, 1);
      } else if (take("{")) {
        part = counted(part);
      } else {
        at_ = before;
        return part;
      }
    }
  }

  int32_t counted(int32_t part) {
    const auto number = [&] {
      skip_space(true);
      const size_t begin = at_;
      int64_t value = 0;
      for (; peek() >= '0' && peek() <= '9'; ++at_) {
        value = std::min<int64_t>(value * 10 + (peek() - '0'), int64_t{1} << 40);
      }
      if (at_ == begin) return int64_t{-1};
      skip_space(true);
      return value;
    };
    const int64_t min = number();
    if (min < 0) broken("expected a number in {m,n}");
    int64_t max = min;
    if (take(",")) max = number();
    if (!take("}")) broken("expected a } behind {m,n");
    if (max >= 0 && max < min) broken("a repetition whose bounds are the wrong way round");
    return data_.repeat(part, min, max);
  }

  CharSet char_class() {
    const bool negated = take("^");
    std::vector<CharRange> ranges;
    while (!take("]")) {
      const char32_t low = character();
      char32_t high = low;
      if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        high = character();
        if (high < low) broken("a range whose ends are the wrong way round");
      }
      ranges.push_back({low, high});
    }
    const CharSet set(std::move(ranges));
    return negated ? set.complement() : set;
  }

  // One character of a literal or a class, escaped or not.
  char32_t character() {
    if (done()) broken("ends within a literal or a class");
    const CodePoint c = decode_at(text_, at_);
    at_ += static_cast<size_t>(c.size);
    if (c.value != '\\') return c.value;
    const char letter = peek();
    ++at_;
    switch (letter) {
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 'x':
        return hexadecimal(2);
      case 'u':
        return hexadecimal(4);
      case 'U':
        return hexadecimal(8);
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
        return static_cast<char32_t>(letter);
      default:
        --at_;
        broken("an unknown escape");
    }
  }

  char32_t hexadecimal(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) broken("expected hexadecimal digits");
      value = value << 4 | static_cast<char32_t>(digit);
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
      broken("an escape that is no character");
    }
    return value;
  }

  std::string_view text_;
  GrammarData data_;
  size_t at_ = 0;
  std::unordered_map<std::string, int32_t> numbers_;
  std::vector<size_t> first_use_;  // by rule
};

}  // namespace

GrammarData parse_gbnf(std::string_view text, std::string_view where, const GrammarLimits& limits) {
  return Parser(text, where, limits).parse();
}

}  // namespace cadre::text::grammar
