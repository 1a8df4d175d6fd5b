#include "text/grammar/pushdown.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/base/error.h"
#include "text/grammar/rule_nfa.h"

namespace cadre::text::grammar {
namespace {

// A rule without empty moves; calls name rules.
struct RuleGraph {
  struct Node {
    std::vector<Pushdown::ByteEdge> bytes;
    std::vector<RuleNfa::Call> calls;
    bool final = false;
  };
  std::vector<Node> nodes;  // 0 is the start
};

class Closures {
 public:
  explicit Closures(const RuleNfa& nfa) : nfa_(nfa), seen_(nfa.states.size(), 0) {}

  // Adds what empty moves reach, and sorts. States that have no edges of their own are left out, so
  // that equal sets are found to be equal.
  void close(std::vector<int32_t>& states, WorkBudget& budget) {
    for (const int32_t state : states) seen_[static_cast<size_t>(state)] = 1;
    for (size_t i = 0; i < states.size(); ++i) {
      for (const int32_t to : nfa_.states[static_cast<size_t>(states[i])].empty) {
        budget.spend(1);
        if (seen_[static_cast<size_t>(to)] != 0) continue;
        seen_[static_cast<size_t>(to)] = 1;
        states.push_back(to);
      }
    }
    for (const int32_t state : states) seen_[static_cast<size_t>(state)] = 0;
    std::erase_if(states, [&](int32_t index) {
      const RuleNfa::State& state = nfa_.states[static_cast<size_t>(index)];
      return state.bytes.empty() && state.calls.empty() && index != nfa_.accept;
    });
    std::ranges::sort(states);
    budget.spend(static_cast<int64_t>(states.size()) + 1);
  }

 private:
  const RuleNfa& nfa_;
  std::vector<uint8_t> seen_;
};

// The subset construction, where a call is a symbol of its own. False beyond the limits.
bool determinise_rule(const RuleNfa& nfa, const GrammarLimits& limits, WorkBudget& budget,
                      RuleGraph& out) {
  Closures closures(nfa);
  std::map<std::vector<int32_t>, int32_t> numbers;
  std::vector<const std::vector<int32_t>*> order;
  const auto number_of = [&](std::vector<int32_t> states) {
    std::ranges::sort(states);
    states.erase(std::unique(states.begin(), states.end()), states.end());
    closures.close(states, budget);
    const auto [place, added] =
        numbers.emplace(std::move(states), static_cast<int32_t>(order.size()));
    if (added) {
      order.push_back(&place->first);
      out.nodes.emplace_back().final = std::ranges::binary_search(place->first, nfa.accept);
    }
    return place->second;
  };
  number_of({nfa.start});
  std::vector<std::vector<int32_t>> by_byte(257);
  for (size_t i = 0; i < order.size(); ++i) {
    if (static_cast<int64_t>(order.size()) > limits.max_dfa_states) return false;
    std::set<int> borders;
    std::map<int32_t, std::vector<int32_t>> by_rule;
    for (const int32_t index : *order[i]) {
      const RuleNfa::State& state = nfa.states[static_cast<size_t>(index)];
      for (const RuleNfa::ByteEdge& edge : state.bytes) {
        borders.insert(edge.low);
        borders.insert(edge.high + 1);
      }
      for (const RuleNfa::Call& call : state.calls) by_rule[call.rule].push_back(call.to);
    }
    for (const int32_t index : *order[i]) {
      for (const RuleNfa::ByteEdge& edge : nfa.states[static_cast<size_t>(index)].bytes) {
        for (auto at = borders.find(edge.low); at != borders.end() && *at <= edge.high; ++at) {
          by_byte[static_cast<size_t>(*at)].push_back(edge.to);
          budget.spend(1);
        }
      }
    }
    std::vector<Pushdown::ByteEdge> bytes;
    for (auto at = borders.begin(); at != borders.end(); ++at) {
      std::vector<int32_t>& targets = by_byte[static_cast<size_t>(*at)];
      if (targets.empty()) continue;
      const auto low = static_cast<uint8_t>(*at);
      const auto high = static_cast<uint8_t>(*std::next(at) - 1);
      const int32_t to = number_of(targets);
      targets.clear();
      if (!bytes.empty() && bytes.back().to == to && bytes.back().high + 1 == low) {
        bytes.back().high = high;
      } else {
        bytes.push_back({low, high, to});
      }
    }
    std::vector<RuleNfa::Call> calls;
    for (auto& [rule, targets] : by_rule) calls.push_back({rule, number_of(targets)});
    out.nodes[i].bytes = std::move(bytes);
    out.nodes[i].calls = std::move(calls);
  }
  return true;
}

// The same rule as it stands, only without empty moves.
void remove_empty_moves(const RuleNfa& nfa, WorkBudget& budget, RuleGraph& out) {
  Closures closures(nfa);
  const auto start = static_cast<size_t>(nfa.start);
  out.nodes.assign(nfa.states.size(), {});
  for (size_t i = 0; i < nfa.states.size(); ++i) {
    std::vector<int32_t> states = {static_cast<int32_t>(i)};
    closures.close(states, budget);
    RuleGraph::Node& node = out.nodes[i];
    for (const int32_t index : states) {
      const RuleNfa::State& state = nfa.states[static_cast<size_t>(index)];
      for (const RuleNfa::ByteEdge& edge : state.bytes) {
        node.bytes.push_back({edge.low, edge.high, edge.to});
      }
      node.calls.insert(node.calls.end(), state.calls.begin(), state.calls.end());
      node.final = node.final || index == nfa.accept;
      budget.spend(static_cast<int64_t>(state.bytes.size() + state.calls.size()));
    }
  }
  CADRE_CHECK(start == 0);
}

// Which nodes can reach the end of their rule, given rules that can be completed.
bool mark_live(const RuleGraph& rule, const std::vector<uint8_t>& productive,
               std::vector<uint8_t>& live, WorkBudget& budget) {
  std::vector<std::vector<int32_t>> back(rule.nodes.size());
  std::vector<int32_t> work;
  live.assign(rule.nodes.size(), 0);
  for (size_t i = 0; i < rule.nodes.size(); ++i) {
    for (const auto& edge : rule.nodes[i].bytes) {
      back[static_cast<size_t>(edge.to)].push_back(static_cast<int32_t>(i));
    }
    for (const auto& call : rule.nodes[i].calls) {
      if (productive[static_cast<size_t>(call.rule)] == 0) continue;
      back[static_cast<size_t>(call.to)].push_back(static_cast<int32_t>(i));
    }
    budget.spend(1);
    if (!rule.nodes[i].final) continue;
    live[i] = 1;
    work.push_back(static_cast<int32_t>(i));
  }
  while (!work.empty()) {
    const auto at = static_cast<size_t>(work.back());
    work.pop_back();
    for (const int32_t from : back[at]) {
      if (live[static_cast<size_t>(from)] != 0) continue;
      live[static_cast<size_t>(from)] = 1;
      work.push_back(from);
    }
  }
  return live[0] != 0;
}

class Maker {
 public:
  explicit Maker(const GrammarData& data)
      : data_(data), budget_(data.limits.max_work, data.where), rules_(data.rules.size()) {}

  Pushdown make() {
    build_rules();
    find_productive();
    place_rules();
    check_left_recursion();
    return std::move(made_);
  }

 private:
  // Only rules that the root leads to.
  void build_rules() {
    const std::vector<uint8_t> replaced = short_rules(data_);
    int64_t states_left = data_.limits.max_states;
    RuleNfaBuilder builder(data_, replaced, states_left);
    std::vector<uint8_t> known(rules_.size(), 0);
    order_ = {data_.root};
    known[static_cast<size_t>(data_.root)] = 1;
    for (size_t i = 0; i < order_.size(); ++i) {
      const RuleNfa nfa = builder.build(order_[i]);
      RuleGraph& graph = rules_[static_cast<size_t>(order_[i])];
      if (!determinise_rule(nfa, data_.limits, budget_, graph)) {
        remove_empty_moves(nfa, budget_, graph);
      }
      for (const RuleGraph::Node& node : graph.nodes) {
        for (const RuleNfa::Call& call : node.calls) {
          if (known[static_cast<size_t>(call.rule)] != 0) continue;
          known[static_cast<size_t>(call.rule)] = 1;
          order_.push_back(call.rule);
        }
      }
    }
  }

  void find_productive() {
    std::vector<uint8_t> productive(rules_.size(), 0);
    live_.resize(rules_.size());
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = order_.size(); i-- > 0;) {
        const auto rule = static_cast<size_t>(order_[i]);
        if (productive[rule] != 0) continue;
        if (!mark_live(rules_[rule], productive, live_[rule], budget_)) continue;
        productive[rule] = 1;
        changed = true;
      }
    }
    if (productive[static_cast<size_t>(data_.root)] == 0) {
      fail(ErrorKind::invalid_input, "{}: no text satisfies it: the rule \"{}\" never ends",
           data_.where, data_.rules[static_cast<size_t>(data_.root)].name);
    }
    // Once more, now that all is known.
    for (const int32_t rule : order_) {
      mark_live(rules_[static_cast<size_t>(rule)], productive, live_[static_cast<size_t>(rule)],
                budget_);
    }
  }

  void place_rules() {
    // Live nodes of all rules end to end; a rule that cannot be completed has none.
    std::vector<std::vector<int32_t>> number(rules_.size());
    int32_t count = 0;
    for (const int32_t rule : order_) {
      for (const uint8_t live : live_[static_cast<size_t>(rule)]) {
        number[static_cast<size_t>(rule)].push_back(live != 0 ? count++ : -1);
      }
    }
    start_of_.assign(rules_.size(), -1);
    for (const int32_t rule : order_) {
      start_of_[static_cast<size_t>(rule)] = number[static_cast<size_t>(rule)][0];
    }
    for (const int32_t rule : order_) {
      const RuleGraph& graph = rules_[static_cast<size_t>(rule)];
      const std::vector<int32_t>& numbers = number[static_cast<size_t>(rule)];
      for (size_t i = 0; i < graph.nodes.size(); ++i) {
        if (numbers[i] < 0) continue;
        const RuleGraph::Node& node = graph.nodes[i];
        made_.nodes.push_back({static_cast<int32_t>(made_.byte_edges.size()),
                               static_cast<int32_t>(made_.call_edges.size()), node.final});
        for (const Pushdown::ByteEdge& edge : node.bytes) {
          const int32_t to = numbers[static_cast<size_t>(edge.to)];
          if (to >= 0) made_.byte_edges.push_back({edge.low, edge.high, to});
        }
        for (const RuleNfa::Call& call : node.calls) {
          const int32_t to = numbers[static_cast<size_t>(call.to)];
          const int32_t start = start_of_[static_cast<size_t>(call.rule)];
          if (to < 0 || start < 0) continue;
          const RuleGraph::Node& behind = graph.nodes[static_cast<size_t>(call.to)];
          const bool last = behind.final && behind.bytes.empty() && behind.calls.empty();
          made_.call_edges.push_back({start, last ? -1 : to});
        }
      }
    }
    made_.nodes.push_back({static_cast<int32_t>(made_.byte_edges.size()),
                           static_cast<int32_t>(made_.call_edges.size()), false});
    made_.start = start_of_[static_cast<size_t>(data_.root)];
  }

  // Whether the node leads to the end of its rule without reading, given rules that may be empty.
  bool passes(int32_t node, const std::set<int32_t>& empty) {
    std::vector<int32_t> work = {node};
    std::set<int32_t> seen = {node};
    while (!work.empty()) {
      const int32_t at = work.back();
      work.pop_back();
      if (made_.nodes[static_cast<size_t>(at)].final) return true;
      for (const Pushdown::CallEdge& call : made_.calls_of(at)) {
        budget_.spend(1);
        if (!empty.contains(call.start)) continue;
        if (call.to < 0) return true;
        if (seen.insert(call.to).second) work.push_back(call.to);
      }
    }
    return false;
  }

  // Where each rule can be, and which rules it can call, before it has read anything: a cycle among
  // these never ends.
  void check_left_recursion() {
    std::map<int32_t, int32_t> rule_at;  // by start
    for (const int32_t rule : order_) {
      if (start_of_[static_cast<size_t>(rule)] >= 0) {
        rule_at[start_of_[static_cast<size_t>(rule)]] = rule;
      }
    }
    std::set<int32_t> empty;  // starts of rules that may be empty
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto& [start, rule] : rule_at) {
        if (empty.contains(start) || !passes(start, empty)) continue;
        empty.insert(start);
        changed = true;
      }
    }
    std::map<int32_t, std::vector<int32_t>> first_calls;
    for (const auto& [start, rule] : rule_at) {
      std::vector<int32_t> work = {start};
      std::set<int32_t> seen = {start};
      std::set<int32_t> called;
      while (!work.empty()) {
        const int32_t at = work.back();
        work.pop_back();
        for (const Pushdown::CallEdge& call : made_.calls_of(at)) {
          budget_.spend(1);
          called.insert(call.start);
          if (call.to >= 0 && empty.contains(call.start) && seen.insert(call.to).second) {
            work.push_back(call.to);
          }
        }
      }
      first_calls[start].assign(called.begin(), called.end());
    }
    // Depth first: white, grey (on the way), black.
    std::map<int32_t, int> colour;
    for (const auto& [root, rule] : rule_at) {
      if (colour[root] != 0) continue;
      std::vector<std::pair<int32_t, size_t>> way = {{root, 0}};
      colour[root] = 1;
      while (!way.empty()) {
        auto& [at, next] = way.back();
        const std::vector<int32_t>& calls = first_calls[at];
        if (next == calls.size()) {
          colour[at] = 2;
          way.pop_back();
          continue;
        }
        const int32_t to = calls[next++];
        if (colour[to] == 1) fail_left_recursion(way, to, rule_at);
        if (colour[to] != 0) continue;
        colour[to] = 1;
        way.emplace_back(to, 0);
      }
    }
  }

  [[noreturn]] void fail_left_recursion(const std::vector<std::pair<int32_t, size_t>>& way,
                                        int32_t to, const std::map<int32_t, int32_t>& rule_at) {
    const auto name = [&](int32_t start) {
      return data_.rules[static_cast<size_t>(rule_at.at(start))].name;
    };
    std::string cycle;
    bool inside = false;
    for (const auto& [start, next] : way) {
      inside = inside || start == to;
      if (inside && cycle.size() < 200) cycle += name(start) + " -> ";
    }
    fail(ErrorKind::invalid_input,
         "{}: the rule \"{}\" calls itself before it has read anything ({}{}), expected something "
         "before the call",
         data_.where, name(to), cycle, name(to));
  }

  const GrammarData& data_;
  WorkBudget budget_;
  std::vector<RuleGraph> rules_;
  std::vector<int32_t> order_;  // of rules that the root leads to
  std::vector<std::vector<uint8_t>> live_;
  std::vector<int32_t> start_of_;
  Pushdown made_;
};

}  // namespace

Pushdown make_pushdown(const GrammarData& data) { return Maker(data).make(); }

}  // namespace cadre::text::grammar
