// Cutting text into words, which BPE then encodes one by one: merges never cross their borders.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/char_classes.h"
#include "text/regex.h"

namespace cadre::text {

// What becomes of the matches of a Split and of what lies between them.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// Cuts at the matches of a pattern; `invert` swaps matches and what lies between.
struct SplitStep {
  Regex regex;
  SplitBehavior behavior;
  bool invert;
};

// Cuts at numbers (\p{N}): each digit alone, or each run.
struct DigitsStep {
  bool individual_digits;
};

// Cuts at each character of punctuation.
struct PunctuationStep {
  SplitBehavior behavior;
};

// Cuts at white space, which goes; `punctuation` also cuts between word characters and others.
struct WhitespaceStep {
  bool punctuation;
};

// Cuts at a character, which goes.
struct DelimiterStep {
  char32_t delimiter;
};

// Writes spaces as `mark`, puts one before the piece if there is none, and cuts before each.
struct MetaspaceStep {
  enum class Prepend { always, first, never };  // first: before the beginning of the whole text
  std::string mark;
  Prepend prepend;
  bool split;
};

// GPT-2's words, and optionally a space before each piece that does not begin with one. Steps
// behind it see bytes as written (byte_level.h).
struct ByteLevelStep {
  bool add_prefix_space;
  bool use_regex;
};

// Cuts before a run of marks (U+2581) where no token can reach across, which changes no token but
// makes words that are short and come again. Nothing reaches across where no token has a mark
// behind another character.
struct MarkCutStep {};

using PreTokenizerStep = std::variant<SplitStep, DigitsStep, PunctuationStep, WhitespaceStep,
                                      DelimiterStep, MetaspaceStep, ByteLevelStep, MarkCutStep>;

// Steps applied one after the other, each to every piece of the one before. If one of them is
// ByteLevel, words are bytes, else text. Immutable, so threads may share it.
class PreTokenizer {
 public:
  PreTokenizer(std::vector<PreTokenizerStep> steps, std::shared_ptr<const CharClasses> classes)
      : steps_(std::move(steps)), classes_(std::move(classes)) {}

  const std::vector<PreTokenizerStep>& steps() const { return steps_; }

  // Memory that calls reuse; one per thread.
  class Scratch;

  // Calls visit with each word in order; words are not empty and are views that live as long as
  // the call of visit. The text must be valid UTF-8; at_start says that it is the beginning of a
  // whole text. Errors as Regex::find.
  using Visitor = std::function<void(std::string_view word)>;
  void for_each_word(std::string_view text, bool at_start, Scratch& scratch,
                     const Visitor& visit) const;

 private:
  class Run;

  std::vector<PreTokenizerStep> steps_;
  std::shared_ptr<const CharClasses> classes_;
};

class PreTokenizer::Scratch {
 private:
  friend class PreTokenizer;
  std::optional<RegexScratch> regex_;  // made when a step needs it
};

}  // namespace cadre::text
