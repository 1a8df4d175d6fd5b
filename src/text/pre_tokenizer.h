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

// GPT-2's words, and optionally a space before each piece that does not begin with one.
struct ByteLevelStep {
  bool add_prefix_space;
  bool use_regex;
};

using PreTokenizerStep = std::variant<SplitStep, DigitsStep, ByteLevelStep>;

// Steps applied one after the other, each to every piece of the one before. Immutable, so threads
// may share it.
class PreTokenizer {
 public:
  PreTokenizer(std::vector<PreTokenizerStep> steps, std::shared_ptr<const CharClasses> classes)
      : steps_(std::move(steps)), classes_(std::move(classes)) {}

  // Memory that calls reuse; one per thread.
  class Scratch;

  // Calls visit with each word in order; words are not empty and are views that live as long as
  // the call of visit. The text must be valid UTF-8. Errors as Regex::find.
  using Visitor = std::function<void(std::string_view word)>;
  void for_each_word(std::string_view text, Scratch& scratch, const Visitor& visit) const;

 private:
  void run(size_t step, std::string_view text, Scratch& scratch, const Visitor& visit) const;
  void split(const SplitStep& step, size_t next, std::string_view text, Scratch& scratch,
             const Visitor& visit) const;
  void digits(const DigitsStep& step, size_t next, std::string_view text, Scratch& scratch,
              const Visitor& visit) const;
  void byte_level(const ByteLevelStep& step, size_t next, std::string_view text, Scratch& scratch,
                  const Visitor& visit) const;

  std::vector<PreTokenizerStep> steps_;
  std::shared_ptr<const CharClasses> classes_;
};

class PreTokenizer::Scratch {
 private:
  friend class PreTokenizer;
  std::optional<RegexScratch> regex_;  // made when a step needs it
};

}  // namespace cadre::text
