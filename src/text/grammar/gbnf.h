// GBNF, the grammars of llama.cpp.
#pragma once

#include <string_view>

#include "text/grammar/expression.h"

namespace cadre::text::grammar {

// The language of llama.cpp's grammars/README.md:
//
//   root  ::= "yes" | "no" | number       # rules; the text is what `root` stands for
//   number ::= [0-9]+ ("." [0-9]{1,3})?   # classes [a-z] [^"\n], groups, * + ? {m} {m,} {m,n}
//   any   ::= .                           # one character
//
// Names consist of letters, digits, - and _; a rule ends with its line, except within brackets and
// behind | and ::=. Escapes in literals and classes: \t \n \r \\ \" \[ \] \- \^ \xHH \uHHHH
// \UHHHHHHHH. Classes and the bounds of repetitions count characters, not bytes. A rule may begin
// with itself (a left-recursive rule), which llama.cpp refuses; through other rules it may not.
// llama.cpp's tokens (<name>, <[id]>) are refused.
//
// Throws Error(invalid_input) with line and column; for a rule that is missing or defined twice, by
// name.
GrammarData parse_gbnf(std::string_view text, std::string_view where, const GrammarLimits& limits);

}  // namespace cadre::text::grammar
