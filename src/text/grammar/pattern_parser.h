// The reader of regular expressions: text to expression.
#pragma once

#include <string>
#include <string_view>

#include "text/grammar/expression.h"

namespace cadre::text::grammar {

// Reads one expression into `data`. For one use.
class PatternParser {
 public:
  PatternParser(std::string_view pattern, std::string_view where, GrammarData& data);
  int32_t parse();  // the expression's index

 private:
  int32_t alternatives(int64_t depth);
  int32_t sequence(int64_t depth);
  int32_t atom(int64_t depth);
  int32_t group(int64_t depth);
  int32_t quantified(int32_t part);
  int32_t escape();
  CharSet char_class();
  // The set of \d and so on; false if the escape is another.
  bool class_escape(char32_t letter, CharSet& set);
  char32_t char_escape(char32_t letter, bool in_class);
  char32_t hexadecimal(int digits);
  char32_t code_unit(char32_t letter);
  bool counts(int64_t& min, int64_t& max);
  bool number(size_t& at, int64_t& value) const;

  bool done() const { return at_ >= text_.size(); }
  bool next_is(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  bool take(std::string_view what);
  char32_t take_char();
  [[noreturn]] void broken(std::string_view message) const;
  [[noreturn]] void refuse(std::string_view what) const;

  std::string_view text_;
  std::string where_;
  GrammarData& data_;
  size_t at_ = 0;
};

}  // namespace cadre::text::grammar
