// Regular languages of characters as deterministic automata: what regular expressions become before
// they are spelt in bytes, and where languages are intersected.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/char_set.h"
#include "text/grammar/limits.h"

namespace cadre::text::grammar {

// With empty moves, two kinds of which ask for the beginning or the end of the text.
struct CharNfa {
  struct Edge {
    int32_t set;  // of `sets`
    int32_t to;
  };
  enum class When : uint8_t { always, at_begin, at_end };
  struct Empty {
    When when;
    int32_t to;
  };
  struct State {
    std::vector<Edge> edges;
    std::vector<Empty> empty;
  };
  std::vector<State> states;
  std::vector<CharSet> sets;
  int32_t start = 0;
  int32_t accept = 0;

  int32_t add_state();
  int32_t add_set(const CharSet& set);
};

// Characters that no edge tells apart form a class: classes are disjoint, and what is in none leads
// nowhere. State 0 is the start; every state is on some way to an accepting one, except that an
// automaton that accepts nothing has a start all the same.
struct CharDfa {
  std::vector<CharSet> classes;
  std::vector<int32_t> next;    // [states, classes], -1 leads nowhere
  std::vector<uint8_t> accept;  // [states]

  int64_t states() const { return static_cast<int64_t>(accept.size()); }
  int32_t step(int32_t state, char32_t value) const;
  // Whether it accepts the text, which must be UTF-8.
  bool matches(std::string_view text) const;
  bool accepts_nothing() const;
};

// Throws Error(exhausted) beyond limits.max_dfa_states or the budget.
CharDfa determinise(const CharNfa& nfa, const GrammarLimits& limits, WorkBudget& budget);
CharDfa intersection(const CharDfa& a, const CharDfa& b, const GrammarLimits& limits,
                     WorkBudget& budget);
// All other texts.
CharDfa complement(const CharDfa& a);
// Texts of min to max characters of the set; max < 0 is without end.
CharDfa counted(const CharSet& set, int64_t min, int64_t max);
// Exactly these texts. Throws Error(exhausted) if they are so many that they take a table of more
// than 2^24 entries.
CharDfa words(const std::vector<std::string>& texts);

}  // namespace cadre::text::grammar
