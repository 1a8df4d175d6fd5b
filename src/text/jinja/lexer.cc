#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "text/jinja/python_text.h"
#include "text/jinja/string_literal.h"
#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool starts_name(char32_t value) {
  return value == '_' || (value >= 'a' && value <= 'z') || (value >= 'A' && value <= 'Z') ||
         (value >= 0x80 && is_alphabetic(value));
}

bool continues_name(char32_t value) {
  return starts_name(value) || (value >= '0' && value <= '9') ||
         (value >= 0x80 && is_numeric(value));
}

// Line ends become \n, and one at the very end goes.
std::string normalised(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalised(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) text_until_tag();
    push(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool next_is(std::string_view text) const { return rest().starts_with(text); }

  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  [[noreturn]] void fault(std::string message) const {
    throw SyntaxFault{line_, std::move(message)};
  }

  void advance(size_t count) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(at_ + count),
                                         '\n'));
    at_ += count;
    line_starting_ = count > 0 && source_[at_ - 1] == '\n';
  }

  void skip_spaces() { advance(rest().size() - strip(rest(), Side::left).size()); }

  // Text up to a tag, without the white space that the tag takes away.
  void push_data(std::string_view text, char sign, bool strips_line) {
    if (sign == '-') {
      text = strip(text, Side::right);
    } else if (sign != '+' && strips_line) {
      const size_t line_start = text.rfind('\n') + 1;  // npos + 1 is 0
      if ((line_start > 0 || line_starting_) &&
          strip(text.substr(line_start), Side::left).empty()) {
        text = text.substr(0, line_start);
      }
    }
    if (!text.empty()) push(TokenKind::data, std::string(text));
  }

  void text_until_tag() {
    const size_t begin = at_;
    size_t open = begin;
    for (;; ++open) {
      open = source_.find('{', open);
      if (open == std::string::npos || open + 1 >= source_.size()) {
        push(TokenKind::data, source_.substr(begin));
        advance(source_.size() - begin);
        return;
      }
      const char next = source_[open + 1];
      if (next == '{' || next == '%' || next == '#') break;
    }
    const std::string_view text = std::string_view(source_).substr(begin, open - begin);
    const char kind = source_[open + 1];
    const char sign = open + 2 < source_.size() ? source_[open + 2] : ' ';
    push_data(text, sign, kind != '{');
    advance(open - begin);
    advance(sign == '-' || sign == '+' ? 3 : 2);
    if (kind == '#') {
      comment();
    } else if (kind == '{') {
      push(TokenKind::variable_begin, "{{");
      tag(TokenKind::variable_end, "}}");
    } else if (!raw()) {
      push(TokenKind::block_begin, "{%");
      tag(TokenKind::block_end, "%}");
    }
  }

  // Behind the end of a tag: "-" takes all white space, "+" nothing, and otherwise a block or a
  // comment takes the newline right after it.
  void after_tag(char sign, bool trims_newline) {
    if (sign == '-') {
      skip_spaces();
    } else if (sign != '+' && trims_newline && next_is("\n")) {
      advance(1);
    }
  }

  void comment() {
    if (at_ == source_.size()) return;  // Jinja misses the end of what has no inside
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fault("Missing end of comment tag");
    const char sign = end > at_ ? source_[end - 1] : ' ';
    advance(end + 2 - at_);
    after_tag(sign, true);
  }

  // {% raw %} ... {% endraw %}; false, with nothing read, if that is not what follows.
  bool raw() {
    const auto keyword = [&](size_t at, std::string_view word, size_t& end, char& sign) {
      const auto spaces = [&] {
        const std::string_view tail = std::string_view(source_).substr(at);
        at += tail.size() - strip(tail, Side::left).size();
      };
      spaces();
      if (!std::string_view(source_).substr(at).starts_with(word)) return false;
      at += word.size();
      spaces();
      sign = at < source_.size() ? source_[at] : ' ';
      if (sign == '-' || sign == '+') ++at;
      if (!std::string_view(source_).substr(at).starts_with("%}")) return false;
      end = at + 2;
      return true;
    };
    size_t end = 0;
    char sign = ' ';
    if (!keyword(at_, "raw", end, sign) || sign == '+') return false;
    advance(end - at_);
    if (sign == '-') skip_spaces();
    for (size_t open = source_.find("{%", at_); open != std::string::npos;
         open = source_.find("{%", open + 1)) {
      const char before = open + 2 < source_.size() ? source_[open + 2] : ' ';
      const size_t word = open + (before == '-' || before == '+' ? 3 : 2);
      if (!keyword(word, "endraw", end, sign)) continue;
      push_data(std::string_view(source_).substr(at_, open - at_), before, true);
      advance(end - at_);
      after_tag(sign, true);
      return true;
    }
    if (at_ == source_.size()) return true;
    fault("Missing end of raw directive");
  }

  // The inside of a tag, to its end; that counts only where all brackets are closed.
  void tag(TokenKind end_kind, std::string_view end) {
    std::string open;
    for (;;) {
      skip_spaces();
      if (at_ >= source_.size()) fault("unexpected end of template inside a tag");
      if (open.empty()) {
        const bool block = end_kind == TokenKind::block_end;
        const char sign = source_[at_];
        const bool marked =
            (sign == '-' || (sign == '+' && block)) && rest().substr(1).starts_with(end);
        if (marked || next_is(end)) {
          push(end_kind, std::string(end));
          advance(end.size() + (marked ? 1 : 0));
          after_tag(marked ? sign : ' ', block);
          return;
        }
      }
      token(open);
    }
  }

  void token(std::string& open) {
    const char c = source_[at_];
    if (is_digit(c)) return number();
    if (c == '\'' || c == '"') return string(c);
    if (starts_name(decode_at(source_, at_).value)) {
      size_t end = at_;
      while (end < source_.size() && continues_name(decode_at(source_, end).value)) {
        end += static_cast<size_t>(decode_at(source_, end).size);
      }
      push(TokenKind::name, source_.substr(at_, end - at_));
      return advance(end - at_);
    }
    static constexpr std::array<std::string_view, 6> kPairs = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kSingles = "+-/*%~[](){}><=.:|,;";
    size_t size = 0;
    for (const std::string_view pair : kPairs) {
      if (next_is(pair)) size = 2;
    }
    if (size == 0 && kSingles.find(c) != std::string_view::npos) size = 1;
    if (size == 0) fault(fmt::format("unexpected char {}", text_repr(character())));
    if (size == 1) balance(c, open);
    push(TokenKind::symbol, source_.substr(at_, size));
    advance(size);
  }

  std::string_view character() const {
    return std::string_view(source_).substr(at_, static_cast<size_t>(decode_at(source_, at_).size));
  }

  void balance(char c, std::string& open) const {
    if (c == '{') open += '}';
    if (c == '(') open += ')';
    if (c == '[') open += ']';
    if (c != '}' && c != ')' && c != ']') return;
    if (open.empty()) fault(fmt::format("unexpected '{}'", c));
    if (open.back() != c) fault(fmt::format("unexpected '{}', expected '{}'", c, open.back()));
    open.pop_back();
  }

  // Digits with single underscores between them, from `at`; the end.
  size_t digits(size_t at, std::string_view allowed) const {
    const auto is_allowed = [&](size_t i) {
      return i < source_.size() &&
             allowed.find(static_cast<char>(source_[i] | 0x20)) != std::string_view::npos;
    };
    while (is_allowed(at) || (at < source_.size() && source_[at] == '_' && is_allowed(at + 1)))
      ++at;
    return at;
  }

  void number() {
    static constexpr std::string_view kDecimal = "0123456789";
    // '0' | 0x20 is '0', so one alphabet serves both cases of hexadecimal digits.
    const size_t whole = digits(at_, kDecimal);
    size_t end = whole;
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      end = digits(end + 1, kDecimal);
    }
    if (end < source_.size() && (source_[end] | 0x20) == 'e') {
      size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) {
        ++exponent;
      }
      if (exponent < source_.size() && is_digit(source_[exponent]))
        end = digits(exponent, kDecimal);
    }
    if (end > whole && !after_dot) {
      push(TokenKind::floating, source_.substr(at_, end - at_));
      return advance(end - at_);
    }
    size_t stop = whole;
    if (source_[at_] == '0') {
      const char mark = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : ' ';
      const std::string_view alphabet = mark == 'x'   ? "0123456789abcdef"
                                        : mark == 'o' ? "01234567"
                                        : mark == 'b' ? "01"
                                                      : "";
      const size_t marked = alphabet.empty() ? at_ : digits(at_ + 2, alphabet);
      stop = marked > at_ + 2 ? marked : digits(at_, "0");
    }
    push(TokenKind::integer, source_.substr(at_, stop - at_));
    advance(stop - at_);
  }

  void string(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fault(fmt::format("unexpected char {}", text_repr(character())));
    std::string text;
    if (!unescape_literal(std::string_view(source_).substr(at_ + 1, end - at_ - 1), text)) {
      fault("a string holds a truncated or unknown escape");
    }
    push(TokenKind::string, std::move(text));
    advance(end + 1 - at_);
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace cadre::text::jinja
