#include "text/grammar/expression.h"

#include "core/base/error.h"

namespace cadre::text::grammar {

void WorkBudget::fail_exhausted() const {
  fail(ErrorKind::exhausted, "{} is too complex: it takes more than the allowed work", what_);
}

int32_t GrammarData::add(Expression expression) {
  if (static_cast<int64_t>(expressions.size()) >= limits.max_expressions) {
    fail(ErrorKind::exhausted, "{}: more than {} parts of rules", where, limits.max_expressions);
  }
  expressions.push_back(std::move(expression));
  return static_cast<int32_t>(expressions.size()) - 1;
}

int32_t GrammarData::sequence(std::vector<int32_t> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.op = Op::sequence, .parts = std::move(parts)});
}

int32_t GrammarData::choice(std::vector<int32_t> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.op = Op::choice, .parts = std::move(parts)});
}

int32_t GrammarData::repeat(int32_t part, int64_t min, int64_t max) {
  if (min == 1 && max == 1) return part;
  if (std::max(min, max) > limits.max_repeat) {
    fail(ErrorKind::exhausted, "{}: {} repetitions, expected at most {}", where, std::max(min, max),
         limits.max_repeat);
  }
  return add({.op = Op::repeat, .parts = {part}, .min = min, .max = max});
}

int32_t GrammarData::automaton(CharDfa dfa, Spelling spelling) {
  automata.push_back({std::move(dfa), spelling});
  return add({.op = Op::automaton, .index = static_cast<int32_t>(automata.size()) - 1});
}

int32_t GrammarData::graph(Graph made) {
  graphs.push_back(std::move(made));
  return add({.op = Op::graph, .index = static_cast<int32_t>(graphs.size()) - 1});
}

int32_t GrammarData::add_rule(std::string name, int32_t body) {
  if (static_cast<int64_t>(rules.size()) >= limits.max_rules) {
    fail(ErrorKind::exhausted, "{}: more than {} rules", where, limits.max_rules);
  }
  rules.push_back({std::move(name), body});
  return static_cast<int32_t>(rules.size()) - 1;
}

}  // namespace cadre::text::grammar
