// Thompson's construction: rules as automata with empty moves over bytes and calls.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "text/grammar/expression.h"

namespace cadre::text::grammar {

struct RuleNfa {
  struct ByteEdge {
    uint8_t low;
    uint8_t high;
    int32_t to;
  };
  struct Call {
    int32_t rule;
    int32_t to;
  };
  struct State {
    std::vector<ByteEdge> bytes;
    std::vector<Call> calls;
    std::vector<int32_t> empty;
  };
  std::vector<State> states;
  int32_t start = 0;
  int32_t accept = 0;
};

// Rules so short, and not recursive, that their calls are replaced by what they stand for.
std::vector<uint8_t> short_rules(const GrammarData& data);

// Builds the automaton of one rule. `states_left` counts down over all rules of a grammar.
class RuleNfaBuilder {
 public:
  RuleNfaBuilder(const GrammarData& data, const std::vector<uint8_t>& replaced,
                 int64_t& states_left)
      : data_(data), replaced_(replaced), states_left_(states_left) {}

  RuleNfa build(int32_t rule);

 private:
  int32_t add_state();
  void move(int32_t from, int32_t to) {
    nfa_.states[static_cast<size_t>(from)].empty.push_back(to);
  }
  void body(int32_t rule, int32_t from, int32_t to);
  void expression(int32_t index, int32_t from, int32_t to);
  void repeat(const Expression& repeated, int32_t from, int32_t to);
  void bytes(std::string_view text, int32_t from, int32_t to);
  void chars(const CharSet& set, int32_t from, int32_t to);
  void json_chars(const CharSet& set, int32_t from, int32_t to);
  void automaton(const Automaton& automaton, int32_t from, int32_t to);
  void graph(const Graph& graph, int32_t from, int32_t to);

  const GrammarData& data_;
  const std::vector<uint8_t>& replaced_;
  int64_t& states_left_;
  RuleNfa nfa_;
};

}  // namespace cadre::text::grammar
