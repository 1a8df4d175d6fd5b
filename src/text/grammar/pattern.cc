#include "text/grammar/pattern.h"

#include "core/base/error.h"
#include "text/grammar/pattern_parser.h"

namespace cadre::text::grammar {
namespace {

// Thompson's construction over characters.
class NfaBuilder {
 public:
  NfaBuilder(const GrammarData& data, std::string_view where) : data_(data), where_(where) {}

  void build(int32_t index, int32_t from, int32_t to) {
    const Expression& expression = data_.expressions[static_cast<size_t>(index)];
    switch (expression.op) {
      case Op::chars:
        edge(from, nfa_.add_set(expression.chars), to);
        return;
      case Op::text_begin:
        return move(from, CharNfa::When::at_begin, to);
      case Op::text_end:
        return move(from, CharNfa::When::at_end, to);
      case Op::sequence: {
        int32_t at = from;
        for (const int32_t part : expression.parts) {
          const int32_t next = add_state();
          build(part, at, next);
          at = next;
        }
        return move(at, CharNfa::When::always, to);
      }
      case Op::choice:
        for (const int32_t part : expression.parts) {
          // States of their own: a part may loop where it begins.
          const int32_t begin = add_state();
          move(from, CharNfa::When::always, begin);
          build(part, begin, to);
        }
        return;
      case Op::repeat:
        return repeat(expression, from, to);
      default:
        CADRE_CHECK(false);
    }
  }

  CharNfa take(int32_t start, int32_t accept) {
    nfa_.start = start;
    nfa_.accept = accept;
    return std::move(nfa_);
  }

  int32_t add_state() {
    if (static_cast<int64_t>(nfa_.states.size()) >= data_.limits.max_states) {
      fail(ErrorKind::exhausted, "{}: a pattern needs more than {} states", where_,
           data_.limits.max_states);
    }
    return nfa_.add_state();
  }
  void edge(int32_t from, int32_t set, int32_t to) {
    nfa_.states[static_cast<size_t>(from)].edges.push_back({set, to});
  }
  void move(int32_t from, CharNfa::When when, int32_t to) {
    nfa_.states[static_cast<size_t>(from)].empty.push_back({when, to});
  }
  int32_t any() { return nfa_.add_set(CharSet::all()); }

 private:
  void repeat(const Expression& expression, int32_t from, int32_t to) {
    const int32_t part = expression.parts[0];
    int32_t at = from;
    for (int64_t i = 0; i < expression.min; ++i) {
      const int32_t next = add_state();
      build(part, at, next);
      at = next;
    }
    if (expression.max < 0) {
      const int32_t loop = add_state();
      move(at, CharNfa::When::always, loop);
      const int32_t end = add_state();
      build(part, loop, end);
      move(end, CharNfa::When::always, loop);
      return move(loop, CharNfa::When::always, to);
    }
    for (int64_t i = expression.min; i < expression.max; ++i) {
      const int32_t begin = add_state();
      move(at, CharNfa::When::always, begin);
      move(at, CharNfa::When::always, to);
      const int32_t next = add_state();
      build(part, begin, next);
      at = next;
    }
    move(at, CharNfa::When::always, to);
  }

  const GrammarData& data_;
  std::string_view where_;
  CharNfa nfa_;
};

}  // namespace

CharDfa pattern_automaton(std::string_view pattern, Anchoring anchoring, std::string_view where,
                          const GrammarLimits& limits, WorkBudget& budget) {
  GrammarData data{.limits = limits, .where = std::string(where)};
  const int32_t expression = PatternParser(pattern, where, data).parse();
  NfaBuilder builder(data, where);
  const int32_t start = builder.add_state();
  const int32_t begin = builder.add_state();
  const int32_t end = builder.add_state();
  builder.move(start, CharNfa::When::always, begin);
  builder.build(expression, begin, end);
  if (anchoring == Anchoring::search) {
    builder.edge(start, builder.any(), start);
    const int32_t rest = builder.add_state();
    builder.move(end, CharNfa::When::always, rest);
    builder.edge(rest, builder.any(), rest);
    return determinise(builder.take(start, rest), limits, budget);
  }
  return determinise(builder.take(start, end), limits, budget);
}

}  // namespace cadre::text::grammar
