// Regular expressions of tokenizer files, matched by PCRE2 and compiled to machine code where it
// can be.
//
// The files are written for Oniguruma (Ruby syntax). Both dialects agree on a subset that covers
// the published tokenizers; that subset is translated and everything else is refused, because a
// pattern that means something slightly different gives ids that are slightly wrong:
//
//   literals, ., ^, $ (of a line), |, *, +, ?, {m}, {m,}, {m,n}, their lazy forms, possessive *+ ++
//   ?+
//   (...) (?:...) (?i:...) (?=...) (?!...) (?<=...) (?<!...) (?>...)
//   [...] with ranges, without nesting or &&
//   \s \S (White_Space) \d \D (Nd) \p{X} \P{X} for general categories and a few scripts
//   \t \n \r \f \v \xHH \x{H...} \uHHHH and escaped punctuation
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace cadre::text {

// The same pattern in PCRE2's syntax; throws Error(unsupported), naming `where`, for what is not in
// the subset.
std::string translate_pattern(std::string_view pattern, std::string_view where);

// Memory of one thread's matching; may be used with any Regex.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

// Immutable, so threads may share it.
class Regex {
 public:
  struct Match {
    size_t begin;
    size_t end;
  };

  // Throws Error(unsupported) as translate_pattern and Error(corrupt_data) if it does not compile;
  // messages begin with `where`.
  Regex(std::string_view pattern, std::string where);

  // Finds the first match at or after `from`; false if there is none. The text must be valid
  // UTF-8. Throws Error(exhausted) if the pattern takes an unreasonable number of steps.
  bool find(std::string_view text, size_t from, RegexScratch& scratch, Match& match) const;

  // Matches one after the other, as Oniguruma's find_iter yields them: an empty match that touches
  // the end of the last match is passed over. Construct it anew for each text.
  class Iterator {
   public:
    Iterator(const Regex& regex, std::string_view text, RegexScratch& scratch)
        : regex_(regex), text_(text), scratch_(scratch) {}
    bool next(Match& match);

   private:
    const Regex& regex_;
    std::string_view text_;
    RegexScratch& scratch_;
    size_t from_ = 0;
    size_t last_end_ = static_cast<size_t>(-1);
  };

 private:
  struct Code;
  std::string where_;
  std::shared_ptr<const Code> code_;
};

}  // namespace cadre::text
