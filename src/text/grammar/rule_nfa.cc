#include "text/grammar/rule_nfa.h"

#include <algorithm>
#include <array>

#include "core/base/error.h"

namespace cadre::text::grammar {
namespace {

constexpr int64_t kShort = 32;  // states that may replace a call
constexpr int64_t kManyStates = 1 << 20;
constexpr int kMaxCallDepth = 200;

// How many states an expression takes, about; kManyStates if it is recursive or large.
class Sizes {
 public:
  explicit Sizes(const GrammarData& data)
      : data_(data), expressions_(data.expressions.size(), -1), rules_(data.rules.size(), -1) {}

  int64_t of_rule(int32_t rule, int depth) {
    int64_t& size = rules_[static_cast<size_t>(rule)];
    if (size >= 0) return size;
    if (size == kOpen || depth > kMaxCallDepth) return kManyStates;
    size = kOpen;
    const int64_t found = of(data_.rules[static_cast<size_t>(rule)].body, depth + 1);
    return rules_[static_cast<size_t>(rule)] = found;
  }

 private:
  static constexpr int64_t kOpen = -2;

  int64_t of(int32_t index, int depth) {
    int64_t& known = expressions_[static_cast<size_t>(index)];
    if (known >= 0) return known;
    const int64_t size =
        std::min(fresh(data_.expressions[static_cast<size_t>(index)], depth), kManyStates);
    return expressions_[static_cast<size_t>(index)] = size;
  }

  int64_t fresh(const Expression& expression, int depth) {
    if (depth > kMaxCallDepth) return kManyStates;
    switch (expression.op) {
      case Op::bytes:
        return static_cast<int64_t>(expression.bytes.size()) + 1;
      case Op::chars:
        return expression.chars.ranges().size() > 20 ? kManyStates
               : expression.chars.ranges().empty() || expression.chars.ranges().back().high < 0x80
                   ? 1
                   : 20;
      case Op::rule: {
        const int64_t size = of_rule(expression.index, depth + 1);
        // A recursive rule stays a call wherever it is called, and so does what calls it.
        return size;
      }
      case Op::automaton:
      case Op::graph:
        return kManyStates;
      default:
        break;
    }
    int64_t size = 1;
    for (const int32_t part : expression.parts) {
      size = std::min(size + of(part, depth + 1), kManyStates);
    }
    if (expression.op == Op::repeat) {
      size *= std::clamp<int64_t>(std::max(expression.min, expression.max), 1, kManyStates);
    }
    return size;
  }

  const GrammarData& data_;
  std::vector<int64_t> expressions_;
  std::vector<int64_t> rules_;
};

// What JSON strings write with a backslash and a letter.
struct Escaped {
  char32_t value;
  char letter;
};
constexpr std::array<Escaped, 7> kEscaped = {
    {{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}}};

}  // namespace

std::vector<uint8_t> short_rules(const GrammarData& data) {
  Sizes sizes(data);
  std::vector<uint8_t> replaced;
  for (size_t rule = 0; rule < data.rules.size(); ++rule) {
    replaced.push_back(sizes.of_rule(static_cast<int32_t>(rule), 0) <= kShort ? 1 : 0);
  }
  return replaced;
}

RuleNfa RuleNfaBuilder::build(int32_t rule) {
  nfa_ = {};
  nfa_.start = add_state();
  nfa_.accept = add_state();
  body(rule, nfa_.start, nfa_.accept);
  return std::move(nfa_);
}

int32_t RuleNfaBuilder::add_state() {
  if (--states_left_ < 0) {
    fail(ErrorKind::exhausted, "{}: takes more than {} states", data_.where,
         data_.limits.max_states);
  }
  nfa_.states.emplace_back();
  return static_cast<int32_t>(nfa_.states.size()) - 1;
}

// A ::= A x | y reads y x*.
void RuleNfaBuilder::body(int32_t rule, int32_t from, int32_t to) {
  const int32_t root = data_.rules[static_cast<size_t>(rule)].body;
  const auto calls_itself = [&](int32_t index) {
    const Expression& expression = data_.expressions[static_cast<size_t>(index)];
    return expression.op == Op::rule && expression.index == rule;
  };
  const auto begins_with_itself = [&](int32_t index) {
    const Expression& expression = data_.expressions[static_cast<size_t>(index)];
    return calls_itself(index) || (expression.op == Op::sequence && !expression.parts.empty() &&
                                   calls_itself(expression.parts[0]));
  };
  std::vector<int32_t> alternatives = {root};
  if (data_.expressions[static_cast<size_t>(root)].op == Op::choice) {
    alternatives = data_.expressions[static_cast<size_t>(root)].parts;
  }
  if (std::ranges::none_of(alternatives, begins_with_itself)) return expression(root, from, to);
  const int32_t loop = add_state();
  move(loop, to);
  for (const int32_t index : alternatives) {
    const Expression& alternative = data_.expressions[static_cast<size_t>(index)];
    const int32_t begin = add_state();
    if (!begins_with_itself(index)) {
      move(from, begin);
      expression(index, begin, loop);
    } else if (alternative.op == Op::sequence) {
      move(loop, begin);
      int32_t at = begin;
      for (size_t i = 1; i < alternative.parts.size(); ++i) {
        const int32_t next = add_state();
        expression(alternative.parts[i], at, next);
        at = next;
      }
      move(at, loop);
    }
  }
}

void RuleNfaBuilder::expression(int32_t index, int32_t from, int32_t to) {
  const Expression& e = data_.expressions[static_cast<size_t>(index)];
  switch (e.op) {
    case Op::bytes:
      return bytes(e.bytes, from, to);
    case Op::chars:
      return chars(e.chars, from, to);
    case Op::sequence: {
      int32_t at = from;
      for (const int32_t part : e.parts) {
        const int32_t next = add_state();
        expression(part, at, next);
        at = next;
      }
      return move(at, to);
    }
    case Op::choice:
      for (const int32_t part : e.parts) {
        const int32_t begin = add_state();
        move(from, begin);
        expression(part, begin, to);
      }
      return;
    case Op::repeat:
      return repeat(e, from, to);
    case Op::rule:
      if (replaced_[static_cast<size_t>(e.index)] != 0) {
        const int32_t begin = add_state();
        move(from, begin);
        return body(e.index, begin, to);
      }
      nfa_.states[static_cast<size_t>(from)].calls.push_back({e.index, to});
      return;
    case Op::automaton:
      return automaton(data_.automata[static_cast<size_t>(e.index)], from, to);
    case Op::graph:
      return graph(data_.graphs[static_cast<size_t>(e.index)], from, to);
    case Op::text_begin:
    case Op::text_end:
      CADRE_CHECK(false);
  }
}

void RuleNfaBuilder::repeat(const Expression& repeated, int32_t from, int32_t to) {
  const int32_t part = repeated.parts[0];
  int32_t at = from;
  const auto once = [&](int32_t begin) {
    const int32_t end = add_state();
    expression(part, begin, end);
    return end;
  };
  for (int64_t i = 0; i < repeated.min; ++i) at = once(at);
  if (repeated.max < 0) {
    const int32_t loop = add_state();
    move(at, loop);
    move(once(loop), loop);
    return move(loop, to);
  }
  for (int64_t i = repeated.min; i < repeated.max; ++i) {
    move(at, to);
    const int32_t begin = add_state();
    move(at, begin);
    at = once(begin);
  }
  move(at, to);
}

void RuleNfaBuilder::bytes(std::string_view text, int32_t from, int32_t to) {
  if (text.empty()) return move(from, to);
  int32_t at = from;
  for (size_t i = 0; i < text.size(); ++i) {
    const int32_t next = i + 1 < text.size() ? add_state() : to;
    const auto byte = static_cast<uint8_t>(text[i]);
    nfa_.states[static_cast<size_t>(at)].bytes.push_back({byte, byte, next});
    at = next;
  }
}

void RuleNfaBuilder::chars(const CharSet& set, int32_t from, int32_t to) {
  // States behind which the same bytes have to follow are shared.
  std::map<std::vector<ByteRange>, int32_t> tails;
  for (const CharRange& range : set.ranges()) {
    for (const std::vector<ByteRange>& sequence : utf8_sequences(range)) {
      int32_t next = to;
      for (size_t i = sequence.size(); i-- > 1;) {
        const std::vector<ByteRange> tail(sequence.begin() + static_cast<int64_t>(i),
                                          sequence.end());
        const auto [place, added] = tails.emplace(tail, -1);
        if (added) {
          place->second = add_state();
          nfa_.states[static_cast<size_t>(place->second)].bytes.push_back(
              {sequence[i].low, sequence[i].high, next});
        }
        next = place->second;
      }
      nfa_.states[static_cast<size_t>(from)].bytes.push_back(
          {sequence[0].low, sequence[0].high, next});
    }
  }
}

void RuleNfaBuilder::json_chars(const CharSet& set, int32_t from, int32_t to) {
  static const CharSet kBare({{0x20, 0x21}, {0x23, 0x5b}, {0x5d, 0x10ffff}});
  chars(set & kBare, from, to);
  for (const Escaped& escaped : kEscaped) {
    if (set.contains(escaped.value)) bytes(std::string{'\\', escaped.letter}, from, to);
  }
  for (char32_t control = 0; control < 0x20; ++control) {
    const bool letter = std::ranges::any_of(
        kEscaped, [&](const Escaped& escaped) { return escaped.value == control; });
    if (letter || !set.contains(control)) continue;
    const int32_t digit = add_state();
    bytes(control < 0x10 ? "\\u000" : "\\u001", from, digit);
    const char low = "0123456789abcdef"[control % 16];
    bytes(std::string(1, low), digit, to);
    if (low >= 'a') bytes(std::string(1, static_cast<char>(low - 'a' + 'A')), digit, to);
  }
}

void RuleNfaBuilder::automaton(const Automaton& automaton, int32_t from, int32_t to) {
  const CharDfa& dfa = automaton.dfa;
  std::vector<int32_t> states;
  for (int64_t i = 0; i < dfa.states(); ++i) states.push_back(add_state());
  move(from, states[0]);
  const size_t width = dfa.classes.size();
  for (size_t i = 0; i < states.size(); ++i) {
    if (dfa.accept[i] != 0) move(states[i], to);
    // Classes that lead to the same state are written as one.
    std::map<int32_t, CharSet> targets;
    for (size_t c = 0; c < width; ++c) {
      const int32_t next = dfa.next[i * width + c];
      if (next >= 0) targets[next] = targets[next] | dfa.classes[c];
    }
    for (const auto& [next, set] : targets) {
      const int32_t end = states[static_cast<size_t>(next)];
      if (automaton.spelling == Spelling::plain) {
        chars(set, states[i], end);
      } else {
        json_chars(set, states[i], end);
      }
    }
  }
}

void RuleNfaBuilder::graph(const Graph& graph, int32_t from, int32_t to) {
  std::vector<int32_t> states;
  for (int32_t i = 0; i < graph.nodes; ++i) states.push_back(add_state());
  move(from, states[0]);
  move(states[1], to);
  for (const Graph::Edge& edge : graph.edges) {
    const int32_t begin = states[static_cast<size_t>(edge.from)];
    const int32_t end = states[static_cast<size_t>(edge.to)];
    if (edge.part < 0) {
      move(begin, end);
    } else {
      expression(edge.part, begin, end);
    }
  }
}

}  // namespace cadre::text::grammar
