// A template's text to tokens, with Jinja's rules of white space as chat templates have them set:
// trim_blocks, lstrip_blocks, and no newline at the end of the template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/limits.h"

namespace cadre::text::jinja {

enum class TokenKind : uint8_t {
  data,            // text between tags
  variable_begin,  // {{
  variable_end,
  block_begin,  // {%
  block_end,
  name,
  string,    // unescaped
  integer,   // as written
  floating,  // as written
  symbol,    // an operator or a bracket
  end,
};

struct Token {
  TokenKind kind;
  std::string text;
  int line;
};

// Ends in a token of kind `end`. The text must be valid UTF-8. Throws SyntaxFault.
std::vector<Token> tokenize(std::string_view source);

// What is wrong with a template, and in which line.
struct SyntaxFault {
  int line;
  std::string message;
  ErrorKind kind = ErrorKind::corrupt_data;
};

}  // namespace cadre::text::jinja
