// Regular expressions as JSON schemas have them (ECMA-262), where they are regular.
#pragma once

#include <string_view>

#include "text/grammar/char_dfa.h"
#include "text/grammar/limits.h"

namespace cadre::text::grammar {

enum class Anchoring {
  whole,   // the expression matches all of the text
  search,  // it matches somewhere in it, as `pattern` of JSON schema means it
};

// What the expression matches, as an automaton over characters:
//
//   literals  .  |  (...) (?:...) (?<name>...)  * + ? {m} {m,} {m,n} and their lazy forms
//   ^ and $, of the whole text, anywhere
//   [...] with ranges, \d \D \w \W (ASCII), \s \S (white space of ECMA-262), \p{X} and \P{X} for
//   general categories, \t \n \r \f \v \0 \cX \xHH \x{H...} \uHHHH \u{H...}, \A \z, and escaped
//   punctuation
//
// `.` is every character but \n, \r, U+2028 and U+2029. What is not regular or has another meaning
// elsewhere is refused by name with Error(unsupported): back references, look-around, atomic groups
// and possessive quantifiers, word boundaries, flags, POSIX classes. Throws Error(invalid_input)
// with the place for a broken expression and Error(exhausted) beyond the limits.
CharDfa pattern_automaton(std::string_view pattern, Anchoring anchoring, std::string_view where,
                          const GrammarLimits& limits, WorkBudget& budget);

}  // namespace cadre::text::grammar
