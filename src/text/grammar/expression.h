// Grammars as data: rules made of expressions, whichever language they were written in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/grammar/char_dfa.h"
#include "text/grammar/char_set.h"
#include "text/grammar/limits.h"

namespace cadre::text::grammar {

enum class Op : uint8_t {
  bytes,      // exactly this text
  chars,      // one character of a set
  sequence,   // the parts one after the other; without parts, the empty text
  choice,     // one of the parts; without parts, nothing at all
  repeat,     // part 0, min to max times (max < 0: without end)
  rule,       // whatever rule `index` stands for
  automaton,  // what automata[index] accepts
  graph,      // a path of graphs[index] from its node 0 to its node 1
  text_begin,
  text_end,  // ^ and $, in regular expressions only
};

struct Expression {
  Op op;
  std::string bytes = {};
  CharSet chars = {};
  std::vector<int32_t> parts = {};  // of lower index
  int64_t min = 1;
  int64_t max = 1;
  int32_t index = -1;
};

// A graph whose edges are expressions; -1 is the empty text.
struct Graph {
  struct Edge {
    int32_t from;
    int32_t to;
    int32_t part;
  };
  int32_t nodes = 2;
  std::vector<Edge> edges;
};

// How characters of an automaton are written.
enum class Spelling : uint8_t {
  plain,        // as UTF-8
  json_string,  // as in a JSON string, escaped only where it has to be
};

struct Automaton {
  CharDfa dfa;
  Spelling spelling = Spelling::plain;
};

struct Rule {
  std::string name;
  int32_t body = -1;
};

// A grammar while it is made. Throws Error(exhausted) beyond the limits.
struct GrammarData {
  GrammarLimits limits;
  std::string where;  // begins messages
  std::vector<Expression> expressions = {};
  std::vector<Automaton> automata = {};
  std::vector<Graph> graphs = {};
  std::vector<Rule> rules = {};
  int32_t root = 0;

  int32_t add(Expression expression);
  int32_t bytes(std::string text) { return add({.op = Op::bytes, .bytes = std::move(text)}); }
  int32_t chars(CharSet set) { return add({.op = Op::chars, .chars = std::move(set)}); }
  int32_t sequence(std::vector<int32_t> parts);
  int32_t choice(std::vector<int32_t> parts);
  int32_t repeat(int32_t part, int64_t min, int64_t max);
  int32_t optional(int32_t part) { return repeat(part, 0, 1); }
  int32_t call(int32_t rule) { return add({.op = Op::rule, .index = rule}); }
  int32_t automaton(CharDfa dfa, Spelling spelling);
  int32_t graph(Graph graph);
  int32_t add_rule(std::string name, int32_t body = -1);
};

}  // namespace cadre::text::grammar
