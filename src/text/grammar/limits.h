// What a grammar may take: it comes from strangers.
#pragma once

#include <cstdint>
#include <string_view>

namespace cadre::text::grammar {

struct GrammarLimits {
  int64_t max_bytes = 1 << 20;        // of its text
  int64_t max_rules = 10'000;         // also those that a schema becomes
  int64_t max_expressions = 500'000;  // parts of rules
  int64_t max_depth = 200;            // of brackets within each other
  int64_t max_repeat = 10'000;        // in {m,n}, maxLength, maxItems and so on
  int64_t max_states = 400'000;       // of the automata of all rules before they are simplified
  int64_t max_dfa_states = 20'000;    // of one regular expression, and of one rule
  int64_t max_work = 50'000'000;      // elementary steps of simplifying automata
};

// Counts down; so that no input takes unreasonably long.
class WorkBudget {
 public:
  // `what` is named in the error: "grammar", "the pattern \"a{9}\"".
  WorkBudget(int64_t steps, std::string_view what) : left_(steps), what_(what) {}
  // Throws Error(exhausted) when too much was spent.
  void spend(int64_t steps) {
    left_ -= steps;
    if (left_ < 0) fail_exhausted();
  }

 private:
  [[noreturn]] void fail_exhausted() const;
  int64_t left_;
  std::string_view what_;
};

}  // namespace cadre::text::grammar
