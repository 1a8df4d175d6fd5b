// Grammars in GBNF, compiled and walked.
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grammar_walk.h"

namespace cadre::fuzz {

void read_input(std::string_view bytes) {
  walk_grammar(text::Grammar::from_gbnf(bytes, "grammar", kGrammarLimits));
}

std::vector<std::string> seeds() {
  return {
      "root ::= object\nobject ::= \"{\" (pair (\",\" pair)*)? \"}\"\npair ::= string \":\" value\n"
      "value ::= object | string | [0-9]+ | \"null\"\nstring ::= \"\\\"\" [^\"\\\\\\x00-\\x1f]* "
      "\"\\\"\"",
      "root ::= expr # left-recursive\nexpr ::= expr \"a\" term | term\nterm ::= (\"b\" | \"1\" "
      "expr "
      "\"1\"){1,3}\n",
      "root ::= x x? \"\\u00e9\\U000020ac\"*\nx ::= [ab]{2,} | .{1,2} | ( \"a\" |\n \"-\" )",
  };
}

}  // namespace cadre::fuzz
