// Grammars as pushdown automata over bytes: for each rule a small automaton whose edges read a byte
// or call a rule.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/grammar/expression.h"

namespace cadre::text::grammar {

// Immutable once made, so threads may share it. Every node is on some way to a complete text; no
// rule calls itself before it has read a byte.
struct Pushdown {
  struct ByteEdge {
    uint8_t low;  // reads a byte from low to high
    uint8_t high;
    int32_t to;
  };
  struct CallEdge {
    int32_t start;  // the node where the called rule begins
    int32_t to;     // where to go on behind it; -1: the caller is done then, too
  };
  struct Node {
    int32_t first_byte;  // its edges end where those of the next node begin
    int32_t first_call;
    bool final;  // the rule may end here
  };
  std::vector<Node> nodes;  // and one more, for its ends
  std::vector<ByteEdge> byte_edges;
  std::vector<CallEdge> call_edges;
  int32_t start = 0;  // of the root

  int64_t size() const { return static_cast<int64_t>(nodes.size()) - 1; }
  std::span<const ByteEdge> bytes_of(int32_t node) const {
    const auto n = static_cast<size_t>(node);
    return std::span(byte_edges)
        .subspan(static_cast<size_t>(nodes[n].first_byte),
                 static_cast<size_t>(nodes[n + 1].first_byte - nodes[n].first_byte));
  }
  std::span<const CallEdge> calls_of(int32_t node) const {
    const auto n = static_cast<size_t>(node);
    return std::span(call_edges)
        .subspan(static_cast<size_t>(nodes[n].first_call),
                 static_cast<size_t>(nodes[n + 1].first_call - nodes[n].first_call));
  }
};

// Rules that begin with themselves are rewritten (A ::= A x | y becomes A ::= y x*), short ones put
// in the place of their calls, each rule made deterministic where that does not take too many
// states. Throws Error(invalid_input) for a grammar that no text satisfies, or whose rules call
// themselves through others without reading anything; Error(exhausted) beyond the limits.
Pushdown make_pushdown(const GrammarData& data);

}  // namespace cadre::text::grammar
