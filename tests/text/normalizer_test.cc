#include "text/normalizer.h"

#include <doctest/doctest.h>

#include "expect_error.h"
#include "text/text_cases.h"

namespace cadre::text {
namespace {

std::string normalized(std::string_view text, NormalForm form) {
  Normalizer::Scratch scratch;
  return std::string(Normalizer({form}).apply(text, /*at_start=*/true, scratch));
}

}  // namespace

TEST_CASE("Normalizer: the forms of the annex") {
  CHECK(normalized("e\u0301", NormalForm::nfc) == "\u00e9");
  CHECK(normalized("\u00e9", NormalForm::nfd) == "e\u0301");
  CHECK(normalized("\u00e9\u0323", NormalForm::nfc) ==
        "\u1eb9\u0301");  // the mark below goes first
  CHECK(normalized("\u1100\u1161\u11a8", NormalForm::nfc) == "\uac01");
  CHECK(normalized("\uac00\u11a8", NormalForm::nfc) == "\uac01");
  CHECK(normalized("\uac01", NormalForm::nfd) == "\u1100\u1161\u11a8");
  CHECK(normalized("\u212b \u2126 \u0958", NormalForm::nfc) == "\u00c5 \u03a9 \u0915\u093c");
  CHECK(normalized("\ufb01 \u00b2 \u3000", NormalForm::nfkc) == "fi 2  ");
  CHECK(normalized("\u304b\u3099", NormalForm::nfc) == "\u304c");
  CHECK(normalized("\u09c7\u09be", NormalForm::nfc) == "\u09cb");  // joins without being a mark
}

TEST_CASE("Normalizer: a character of Unicode 12 is left as the reference leaves it") {
  CHECK(normalized("\u32ff", NormalForm::nfkc) == "\u32ff");
  CHECK(normalized("a\U0001e130\u0334", NormalForm::nfc) == "a\U0001e130\u0334");
}

TEST_CASE("Normalizer: doing it twice changes nothing, and pieces do not matter to ASCII") {
  RandomStream random(4);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random_text(random, 20);
    for (NormalForm form : {NormalForm::nfc, NormalForm::nfd, NormalForm::nfkc, NormalForm::nfkd}) {
      CAPTURE(text);
      const std::string once = normalized(text, form);
      CHECK(is_valid_utf8(once));
      CHECK(normalized(once, form) == once);
      CHECK(normalized("ab " + text, form) == "ab " + normalized(" " + text, form).substr(1));
    }
    const std::string composed = normalized(text, NormalForm::nfc);
    CHECK(normalized(normalized(text, NormalForm::nfd), NormalForm::nfc) == composed);
  }
}

TEST_CASE("Normalizer: half a million marks in the wrong order take no longer than they must") {
  std::string text = "a";
  for (int i = 0; i < 250000; ++i) text += "\u0301";
  for (int i = 0; i < 250000; ++i) text += "\u0323";
  const std::string result = normalized(text, NormalForm::nfc);
  CHECK(result.starts_with("\u1ea1\u0323"));
  CHECK(result.ends_with("\u0301"));
}

TEST_CASE("Normalizer: steps that multiply each other's output end in an error, soon") {
  const std::string content(32, 'a');
  for (const bool by_pattern : {false, true}) {
    std::vector<NormalizerStep> steps;
    for (int i = 0; i < 7; ++i) {
      ReplaceStep step = {.literal = "a", .pattern = {}, .content = content};
      if (by_pattern) step.pattern = Regex("a", "pattern");
      steps.emplace_back(std::move(step));
    }
    // 32^7 bytes, if they were made.
    const Normalizer normalizer(std::move(steps));
    Normalizer::Scratch scratch;
    CHECK(contains(
        error_of(ErrorKind::exhausted, [&] { normalizer.apply("a", /*at_start=*/true, scratch); }),
        "of 1, expected at most 64 times as many and 16384"));
  }
}

TEST_CASE("Normalizer: what Unicode itself makes longer is no cause for an error") {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "\ufdfa";
  CHECK(normalized(text, NormalForm::nfkd).size() == 11 * text.size());
}

}  // namespace cadre::text
