#include "text/regex.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/base/error.h"
#include "text/gpt2_scanner.h"
#include "text/text_cases.h"

namespace cadre::text {
namespace {

std::vector<std::string> matches(const std::string& pattern, std::string_view text) {
  const Regex regex(pattern, "test");
  RegexScratch scratch;
  std::vector<std::string> found;
  Regex::Iterator iterator(regex, text, scratch);
  for (Regex::Match match{}; iterator.next(match);) {
    found.emplace_back(text.substr(match.begin, match.end - match.begin));
  }
  return found;
}

}  // namespace

TEST_CASE("Regex: the dialect of tokenizer files means what it means there") {
  using Strings = std::vector<std::string>;
  CHECK(matches(R"(\s+)", "a \u3000b\u180e") == Strings{" \u3000"});  // U+180E is no white space
  CHECK(matches(R"([^\s\p{L}\p{N}]+)", "a!?1 .") == Strings{"!?", "."});
  CHECK(matches(R"(^a|b$|\s+$)", "aa b\nab  ") == Strings{"a", "b", "a", "  "});  // of lines
  CHECK(matches(R"((?i:'s))", "'s'S'\u017f") == Strings{"'s", "'S", "'\u017f"});
  CHECK(matches(R"(\p{N}{1,3})", "12345") == Strings{"123", "45"});
  CHECK(matches(R"(\u0041|\x42|\x{43})", "ABC") == Strings{"A", "B", "C"});
  CHECK(matches(R"(\p{Han}+)", "\u6211\u3001\u60f3") == Strings{"\u6211", "\u60f3"});
  CHECK(matches("x*", "axxb") == Strings{"", "xx", ""});
}

TEST_CASE("Regex: what could mean something else is refused, what is broken is corrupt") {
  for (const char* pattern :
       {R"(\w)", R"(\b)", R"(\h)", R"(\1)", "[a[b]]", "[a&&b]", "(?m:a)", "(?<name>a)", "(*UTF)a",
        "a{,3}", "a{1,2}+", R"(\p{Nope})", R"(\pL)", "[]a]", R"(\u12)", "[abc", "a\\"}) {
    CAPTURE(pattern);
    try {
      Regex regex(pattern, "file.json: field");
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::unsupported);
      CHECK(std::string(error.what()).starts_with("file.json: field: "));
    }
  }
  for (const char* pattern : {"(a", "a)", "*a", "[b-a]", "(?<=a+)b"}) {
    CAPTURE(pattern);
    try {
      Regex regex(pattern, "file.json: field");
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt_data);
    }
  }
}

TEST_CASE("Regex: a pattern that explodes ends in an error") {
  const Regex regex("(?:a|a)*b|(?:a+)+c", "test");
  RegexScratch scratch;
  Regex::Match match{};
  CHECK_THROWS_AS(regex.find(std::string(200, 'a'), 0, scratch, match), Error);
}

TEST_CASE("gpt2_word_end: equal to PCRE2 on the pattern, for random Unicode") {
  const CharClasses classes;
  const Regex regex(kGpt2Pattern, "GPT-2");
  RegexScratch scratch;
  RandomStream random(3);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = random_text(random, 1 + static_cast<int64_t>(random.below(40)));
    CAPTURE(text);
    Regex::Match match{};
    for (size_t at = 0; at < text.size(); at = match.end) {
      REQUIRE(regex.find(text, at, scratch, match));
      REQUIRE(match.begin == at);
      REQUIRE(gpt2_word_end(classes, text, at) == match.end);
    }
  }
}

TEST_CASE("CharClasses: every code point has the class that PCRE2 gives it alone") {
  const CharClasses classes;
  const Regex letter("\\p{L}", "letter");
  const Regex number("\\p{N}", "number");
  const Regex space("\\s", "space");
  RegexScratch scratch;
  for (char32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 7) {
    if (c >= 0xd800 && c < 0xe000) c = 0xe000;
    std::string text;
    append_utf8(c, text);
    Regex::Match match{};
    const CharClass expected = letter.find(text, 0, scratch, match)   ? CharClass::letter
                               : number.find(text, 0, scratch, match) ? CharClass::number
                               : space.find(text, 0, scratch, match)  ? CharClass::space
                                                                      : CharClass::other;
    if (classes[c] != expected) FAIL("code point ", static_cast<uint32_t>(c));
  }
}

}  // namespace cadre::text
