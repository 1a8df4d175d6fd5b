// Regular expressions, compiled and walked.
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grammar_walk.h"

namespace cadre::fuzz {

void read_input(std::string_view bytes) {
  walk_grammar(text::Grammar::from_regex(bytes, "regex", kGrammarLimits));
}

std::vector<std::string> seeds() {
  return {
      "^(?:a|b)*[0-9a-f]{2,4}(x\\.?|\\u00e9+)$",
      "(?<year>\\d{4})-[^\\s\\]-]\\x41*?|\\p{Lu}\\P{Nd}\\cA\\u{1F600}",
      "((a|b)*a(a|b){3}|[^]){0,3}",
  };
}

}  // namespace cadre::fuzz
