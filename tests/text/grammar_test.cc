#include "text/grammar/grammar.h"

#include <doctest/doctest.h>

#include <bit>

#include "core/base/error.h"
#include "core/base/random.h"
#include "tests/text/grammar_cases.h"
#include "text/grammar/pattern.h"
#include "text/regex.h"

namespace cadre::text {
namespace {

const std::vector<std::string> kTokens = {"a",  "b",  "c",   "ab",  "ba",   "aa",  "abc", "cc",
                                          "bb", "ca", "aab", "bca", "abab", "ccc", "cab"};

// Grammars over a, b and c: nested, ambiguous, with empty rules, left-recursive.
const std::vector<std::string> kGrammars = {
    R"(root ::= "a" root "b" | "c")",
    R"(root ::= root "a" | "b")",
    R"(root ::= root root "a" | "b" | "c")",
    R"(root ::= x y z
x ::= "a"*
y ::= "ab"? x
z ::= [b-c]{1,2})",
    R"(root ::= (pair | "c")+
pair ::= "a" (root)? "b")",
    R"(root ::= s
s ::= "a" s "a" | "b" s "b" | "")",
    R"(root ::= [^bc]{2,} | "b" ("c" | "ca"){0,2})",
    R"(root ::= expr
expr ::= expr "b" term | term
term ::= "a" | "c" expr "c")",
    R"(root ::= x x x
x ::= y?
y ::= "a" | "b" x)",
    "root ::= (\"a\" | # one\n  \"ab\" )+ # or more\n  \n\n# the end\nunused ::= \"b\"",
    R"(root ::= "a"{3} "b"{0,2} "c"{2,})",
};

std::vector<int32_t> tokens_of(const std::vector<uint64_t>& mask) {
  std::vector<int32_t> tokens;
  for (size_t word = 0; word < mask.size(); ++word) {
    for (uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      tokens.push_back(static_cast<int32_t>(64 * word) + std::countr_zero(bits));
    }
  }
  return tokens;
}

std::string error_of(const std::string& gbnf, ErrorKind kind) {
  try {
    static_cast<void>(CompiledGrammar(Grammar::from_gbnf(gbnf, "g.gbnf"), tokenizer_of({"a"})));
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("grammar: a mask allows a token if and only if some text of the grammar goes on so") {
  // Of each of these grammars, what begins a text and has 4 bytes begins one of at most 9.
  constexpr size_t kLongest = 9;
  constexpr size_t kBeginning = 4;
  const Tokenizer tokenizer = tokenizer_of(kTokens);
  for (const std::string& source : kGrammars) {
    CAPTURE(source);
    const Grammar grammar = Grammar::from_gbnf(source);
    const CompiledGrammar compiled(grammar, tokenizer);
    const PlainLanguage language(grammar.data(), kLongest);
    std::set<std::string> beginnings;
    for (const std::string& text : language.texts()) {
      for (size_t size = 0; size <= text.size(); ++size) beginnings.insert(text.substr(0, size));
    }
    RandomStream random(5);
    for (int round = 0; round < 60; ++round) {
      GrammarState state(compiled);
      std::string text;
      while (text.size() < kBeginning) {
        CAPTURE(text);
        std::vector<uint64_t> mask(compiled.mask_words() + 1, ~uint64_t{0});
        state.mask(mask);
        std::vector<int32_t> expected;
        std::vector<int32_t> found = tokens_of(mask);
        std::erase_if(found, [&](int32_t token) {
          return text.size() + kTokens[static_cast<size_t>(token)].size() > kBeginning;
        });
        for (size_t i = 0; i < kTokens.size(); ++i) {
          if (text.size() + kTokens[i].size() > kBeginning) continue;
          const bool allowed = beginnings.contains(text + kTokens[i]);
          if (allowed) expected.push_back(static_cast<int32_t>(i));
          GrammarState other = state;
          CHECK(other.accept(static_cast<int32_t>(i)) == allowed);
        }
        CHECK(found == expected);
        CHECK(state.can_stop() == language.texts().contains(text));
        CHECK(state.must_stop() == expected.empty());
        if (expected.empty()) break;
        const int32_t token = expected[random.below(expected.size())];
        text += kTokens[static_cast<size_t>(token)];
        REQUIRE(state.accept(token));
      }
    }
  }
}

TEST_CASE("grammar: masks of bytes agree with accepting them, also within characters") {
  const Tokenizer tokenizer = byte_tokenizer();
  const std::vector<std::string> sources = {
      "root ::= [a-\u00ff]+ \"\u20ac\" . [^\u4e00-\U0001f600]",
      "root ::= \"{\" [^\"]* \"\\\"\" (\",\" root)* \"}\"",
      "root ::= item (\", \" item){0,3}\nitem ::= [\\x00-\\x1f] | \"\\u00e9\" | \"ab\" item",
  };
  RandomStream random(8);
  for (const std::string& source : sources) {
    CAPTURE(source);
    const CompiledGrammar compiled(Grammar::from_gbnf(source), tokenizer);
    for (int round = 0; round < 15; ++round) {
      GrammarState state(compiled);
      for (int step = 0; step < 12; ++step) {
        std::vector<uint64_t> mask(compiled.mask_words());
        state.mask(mask);
        for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
          GrammarState other = state;
          const auto index = static_cast<size_t>(id);
          CHECK(other.accept(id) == ((mask[index / 64] >> (index % 64) & 1) != 0));
        }
        const std::vector<int32_t> allowed = tokens_of(mask);
        if (allowed.empty()) break;
        REQUIRE(state.accept(allowed[random.below(allowed.size())]));
      }
    }
  }
}

TEST_CASE("grammar: tokens that were taken back leave no trace; a copy goes its own way") {
  const Tokenizer tokenizer = tokenizer_of(kTokens);
  RandomStream random(9);
  for (const std::string& source : kGrammars) {
    CAPTURE(source);
    const CompiledGrammar compiled(Grammar::from_gbnf(source), tokenizer);
    GrammarState state(compiled);
    std::vector<std::vector<uint64_t>> masks;
    std::vector<uint64_t> mask(compiled.mask_words());
    for (int step = 0; step < 200; ++step) {
      state.mask(mask);
      const auto allowed = tokens_of(mask);
      const auto back =
          random.below(4) == 0 ? random.below(std::min<size_t>(5, masks.size() + 1)) : 0;
      if (allowed.empty() || back > 0) {
        const size_t count = std::max<size_t>(1, back);
        if (masks.size() < count) break;
        state.rollback(static_cast<int64_t>(count));
        mask = masks[masks.size() - count];
        masks.resize(masks.size() - count);
        std::vector<uint64_t> again(compiled.mask_words());
        state.mask(again);
        CHECK(again == mask);
        continue;
      }
      GrammarState copy = state;
      REQUIRE(copy.accept(allowed[random.below(allowed.size())]));
      std::vector<uint64_t> still(compiled.mask_words());
      state.mask(still);
      CHECK(still == mask);
      masks.push_back(mask);
      state = copy;
    }
    CHECK_THROWS_AS(state.rollback(100000), Error);
  }
}

TEST_CASE("grammar: what has to come is told") {
  const Tokenizer tokenizer = tokenizer_of({"a"});
  GrammarState state(CompiledGrammar(
      Grammar::from_gbnf(R"(root ::= "{\"name\": " ("true" | "tree") "}")"), tokenizer));
  CHECK(state.forced_bytes() == R"({"name": tr)");
  CHECK(state.forced_bytes(3) == R"({"n)");
  REQUIRE(state.accept_bytes(R"({"name": tru)"));
  CHECK(state.forced_bytes() == "e}");
  REQUIRE(state.accept_bytes("e}"));
  CHECK(state.forced_bytes() == "");
  CHECK(state.must_stop());
}

TEST_CASE("grammar: errors name the place in GBNF") {
  const auto bad = ErrorKind::invalid_input;
  CHECK(error_of("root ::= \"a\nx ::= \"b\"", bad).starts_with("g.gbnf:2:"));
  CHECK(error_of("root ::= [a", bad).find("g.gbnf:1:12") != std::string::npos);
  CHECK(error_of("root ::= x", bad).find("\"x\" is not defined") != std::string::npos);
  CHECK(error_of("root ::= \"a\"\nroot ::= \"b\"", bad)
            .find("2:1: the rule \"root\" is defined twice") != std::string::npos);
  CHECK(error_of("x ::= \"a\"", bad).find("no rule \"root\"") != std::string::npos);
  CHECK(error_of("root ::= (\"a\"", bad).find("expected a )") != std::string::npos);
  CHECK(error_of("root ::= \"a\"{3,2}", bad).find("wrong way round") != std::string::npos);
  CHECK(error_of("root ::= \"\\q\"", bad).find("unknown escape") != std::string::npos);
  CHECK(error_of("root = \"a\"", bad).find("expected ::=") != std::string::npos);
  CHECK(error_of("root ::= \"\\ud800\"", bad).find("no character") != std::string::npos);
  CHECK(error_of("root ::= <think>", ErrorKind::unsupported).find("tokens") != std::string::npos);
}

TEST_CASE("grammar: rules that never end or never begin are refused by name") {
  const auto bad = ErrorKind::invalid_input;
  CHECK(error_of("root ::= \"a\" root", bad).find("never ends") != std::string::npos);
  CHECK(error_of("root ::= x \"a\" | \"b\"\nx ::= y\ny ::= root", bad).find("before it has read") !=
        std::string::npos);
  const std::string hidden = error_of("root ::= e root \"a\" | \"b\"\ne ::= \"c\"?", bad);
  CHECK(hidden.find("\"root\" calls itself") != std::string::npos);
}

TEST_CASE("grammar: hostile grammars end in an error, or are followed") {
  const auto much = ErrorKind::exhausted;
  CHECK(error_of("root ::= \"a\"{100000}", much) != "");
  CHECK(error_of("root ::= (((\"a\"{1000}){1000}){1000}){1000}", much) != "");
  CHECK(error_of("root ::= " + std::string(5000, '(') + "\"a\"" + std::string(5000, ')'), much) !=
        "");
  CHECK(error_of(std::string(2 << 20, ' '), much) != "");
  std::string many;
  for (int i = 0; i < 20000; ++i) many += "r" + std::to_string(i) + " ::= \"a\"\n";
  CHECK(error_of(many, much) != "");
  // Each rule doubles the one before: 2^40 letters, which nobody has to write out.
  std::string doubling = "root ::= r0\n";
  for (int i = 0; i < 40; ++i) {
    doubling += fmt::format("r{} ::= r{} r{}\n", i, i + 1, i + 1);
  }
  doubling += "r40 ::= \"a\"";
  const CompiledGrammar doubled(Grammar::from_gbnf(doubling), tokenizer_of(kTokens));
  GrammarState state(doubled);
  CHECK(state.accept_bytes(std::string(1000, 'a')));
  CHECK_FALSE(state.can_stop());
  CHECK_FALSE(state.accept_bytes("b"));
  // Exponentially many ways to read a text are one set of places.
  const CompiledGrammar ambiguous(Grammar::from_gbnf("root ::= \"a\" root root | \"a\""),
                                  tokenizer_of(kTokens));
  GrammarState deep(ambiguous);
  CHECK(deep.accept_bytes(std::string(501, 'a')));
  CHECK(deep.can_stop());
}

TEST_CASE("grammar: expressions match what PCRE2 matches") {
  const std::vector<std::string> patterns = {"ab|c+d?",
                                             "(a|b)*abb",
                                             "[a-c]{2,3}(x|yz){0,2}",
                                             "a.c",
                                             "^ab",
                                             "c$",
                                             "^(a|bc)+$",
                                             "[^ab]c|\\d[\\d-]\\s",
                                             "(?:a(?:b|c)?){2}",
                                             "a{0}b",
                                             "(^a|b$)",
                                             "a*?b+?",
                                             "[\\d-]+[\\]x]",
                                             "^$",
                                             "(a|ab)(c|bcd)",
                                             "\\x61\\u0062",
                                             "\\p{L}\\d",
                                             "x|",
                                             "(^|a)b(c|$)"};
  RandomStream random(4);
  const Tokenizer tokenizer = tokenizer_of({"a"});
  for (const std::string& pattern : patterns) {
    CAPTURE(pattern);
    grammar::WorkBudget budget(1'000'000, "test");
    const grammar::CharDfa found =
        grammar::pattern_automaton(pattern, grammar::Anchoring::search, "test", {}, budget);
    const Regex searched(pattern, "test");
    const CompiledGrammar whole(Grammar::from_regex(pattern), tokenizer);
    // A line has no other in it, so ^ and $ of a line are those of the text.
    const Regex anchored("^(?:" + pattern + ")$", "test");
    RegexScratch scratch;
    for (int round = 0; round < 600; ++round) {
      std::string text;
      for (uint64_t i = random.below(8); i > 0; --i) {
        text += "aaabbbcccdxyz1 -]\u00e9"[random.below(17)];
      }
      if (!is_valid_utf8(text)) continue;
      CAPTURE(text);
      Regex::Match match{};
      CHECK(found.matches(text) == searched.find(text, 0, scratch, match));
      CHECK(accepts(whole, text) == anchored.find(text, 0, scratch, match));
    }
  }
}

TEST_CASE("grammar: what is not regular is refused by name") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"(a)\\1", "back reference"}, {"a(?=b)", "look-ahead"}, {"(?<!a)b", "look-behind"},
      {"\\bword", "word boundary"}, {"(?i)a", "this kind"},   {"a++", "possessive"},
      {"(?>a)", "atomic"},          {"[[:alpha:]]", "POSIX"}, {"\\p{Greek}", "property"},
      {"\\k<x>", "back reference"}};
  for (const auto& [pattern, name] : cases) {
    CAPTURE(pattern);
    CHECK_THROWS_WITH_AS(Grammar::from_regex(pattern), doctest::Contains(name.c_str()), Error);
  }
  for (const char* broken :
       {"(a", "a)", "[a", "*a", "a**", "a{2,1}", "\\", "[b-a]", "^*", "a{2}{3}"}) {
    CAPTURE(broken);
    CHECK_THROWS_AS(Grammar::from_regex(broken), Error);
  }
  CHECK_THROWS_WITH_AS(Grammar::from_regex("(a|b)*a(a|b){30}"), doctest::Contains("states"), Error);
  CHECK_THROWS_WITH_AS(Grammar::from_regex("a^"), doctest::Contains("no text matches"), Error);
}

}  // namespace cadre::text
