#include "text/grammar/char_dfa.h"

#include <algorithm>
#include <map>

#include "core/base/error.h"
#include "text/utf8.h"

namespace cadre::text::grammar {
namespace {

// Classes of characters that the sets do not tell apart, and for each set its classes.
struct Alphabet {
  std::vector<CharSet> classes;
  std::vector<std::vector<int32_t>> classes_of;  // by set
};

Alphabet alphabet_of(const std::vector<CharSet>& sets, WorkBudget& budget) {
  // Pieces between borders, each with the sets that hold it; pieces with the same sets are a class.
  std::map<char32_t, std::vector<int32_t>> borders;  // where which sets begin or end
  for (size_t i = 0; i < sets.size(); ++i) {
    for (const CharRange& range : sets[i].ranges()) {
      borders[range.low].push_back(static_cast<int32_t>(i));
      borders[range.high + 1].push_back(static_cast<int32_t>(i));
    }
  }
  std::map<std::vector<int32_t>, std::vector<CharRange>> pieces;
  std::vector<int32_t> inside;  // sorted
  for (auto at = borders.begin(); at != borders.end(); ++at) {
    for (const int32_t set : at->second) {
      const auto place = std::ranges::lower_bound(inside, set);
      if (place != inside.end() && *place == set) {
        inside.erase(place);
      } else {
        inside.insert(place, set);
      }
    }
    budget.spend(static_cast<int64_t>(inside.size()) + 1);
    if (!inside.empty()) pieces[inside].push_back({at->first, std::next(at)->first - 1});
  }
  Alphabet alphabet;
  alphabet.classes_of.resize(sets.size());
  for (auto& [members, ranges] : pieces) {
    for (const int32_t set : members) {
      alphabet.classes_of[set].push_back(static_cast<int32_t>(alphabet.classes.size()));
    }
    alphabet.classes.emplace_back(std::move(ranges));
  }
  return alphabet;
}

// Removes states from which nothing is accepted, and numbers the rest in order of discovery.
CharDfa trimmed(const CharDfa& dfa) {
  const auto count = static_cast<size_t>(dfa.states());
  const size_t width = dfa.classes.size();
  std::vector<std::vector<int32_t>> back(count);
  for (size_t state = 0; state < count; ++state) {
    for (size_t c = 0; c < width; ++c) {
      const int32_t to = dfa.next[state * width + c];
      if (to >= 0) back[static_cast<size_t>(to)].push_back(static_cast<int32_t>(state));
    }
  }
  std::vector<uint8_t> live(count, 0);
  std::vector<int32_t> work;
  for (size_t state = 0; state < count; ++state) {
    if (dfa.accept[state] == 0) continue;
    live[state] = 1;
    work.push_back(static_cast<int32_t>(state));
  }
  while (!work.empty()) {
    const auto state = static_cast<size_t>(work.back());
    work.pop_back();
    for (const int32_t from : back[state]) {
      if (live[static_cast<size_t>(from)]++ == 0) work.push_back(from);
      live[static_cast<size_t>(from)] = 1;
    }
  }
  CharDfa out;
  out.classes = dfa.classes;
  std::vector<int32_t> number(count, -1);
  std::vector<size_t> order = {0};
  number[0] = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    out.accept.push_back(dfa.accept[order[i]]);
    for (size_t c = 0; c < width; ++c) {
      const int32_t to = dfa.next[order[i] * width + c];
      if (to < 0 || live[static_cast<size_t>(to)] == 0) {
        out.next.push_back(-1);
        continue;
      }
      int32_t& named = number[static_cast<size_t>(to)];
      if (named < 0) {
        named = static_cast<int32_t>(order.size());
        order.push_back(static_cast<size_t>(to));
      }
      out.next.push_back(named);
    }
  }
  return out;
}

[[noreturn]] void too_many(const GrammarLimits& limits) {
  fail(ErrorKind::exhausted, "a regular expression needs more than {} states",
       limits.max_dfa_states);
}

}  // namespace

int32_t CharNfa::add_state() {
  states.emplace_back();
  return static_cast<int32_t>(states.size()) - 1;
}

int32_t CharNfa::add_set(const CharSet& set) {
  // Neighbours are often the same: {m,n} repeats its part.
  const size_t recent = sets.size() > 16 ? sets.size() - 16 : 0;
  for (size_t i = sets.size(); i-- > recent;) {
    if (sets[i] == set) return static_cast<int32_t>(i);
  }
  for (size_t i = 0; i < recent; ++i) {
    if (sets[i] == set) return static_cast<int32_t>(i);
  }
  sets.push_back(set);
  return static_cast<int32_t>(sets.size()) - 1;
}

int32_t CharDfa::step(int32_t state, char32_t value) const {
  for (size_t c = 0; c < classes.size(); ++c) {
    if (classes[c].contains(value)) return next[static_cast<size_t>(state) * classes.size() + c];
  }
  return -1;
}

bool CharDfa::matches(std::string_view text) const {
  if (!is_valid_utf8(text)) return false;
  int32_t state = 0;
  for (size_t at = 0; at < text.size() && state >= 0;) {
    const CodePoint c = decode_at(text, at);
    state = step(state, c.value);
    at += static_cast<size_t>(c.size);
  }
  return state >= 0 && accept[static_cast<size_t>(state)] != 0;
}

bool CharDfa::accepts_nothing() const {
  return std::ranges::all_of(accept, [](uint8_t a) { return a == 0; });
}

CharDfa determinise(const CharNfa& nfa, const GrammarLimits& limits, WorkBudget& budget) {
  const Alphabet alphabet = alphabet_of(nfa.sets, budget);
  const size_t width = alphabet.classes.size();
  std::vector<uint8_t> seen(nfa.states.size(), 0);
  // Adds what empty moves reach; sorted, so that equal sets are equal.
  const auto close = [&](std::vector<int32_t>& states, bool begin, bool end) {
    for (const int32_t state : states) seen[static_cast<size_t>(state)] = 1;
    for (size_t i = 0; i < states.size(); ++i) {
      budget.spend(1);
      for (const CharNfa::Empty& move : nfa.states[static_cast<size_t>(states[i])].empty) {
        if (move.when == CharNfa::When::at_begin && !begin) continue;
        if (move.when == CharNfa::When::at_end && !end) continue;
        if (seen[static_cast<size_t>(move.to)]++ == 0) states.push_back(move.to);
        seen[static_cast<size_t>(move.to)] = 1;
      }
    }
    for (const int32_t state : states) seen[static_cast<size_t>(state)] = 0;
    std::ranges::sort(states);
  };
  CharDfa dfa;
  dfa.classes = alphabet.classes;
  std::map<std::vector<int32_t>, int32_t> numbers;
  std::vector<const std::vector<int32_t>*> order;
  const auto number_of = [&](std::vector<int32_t> states, bool begin) {
    std::vector<int32_t> at_end = states;
    close(states, begin, false);
    // At the beginning of the text ^ holds, so the same states may mean more: a mark tells.
    if (begin) states.push_back(-1);
    const auto [place, added] =
        numbers.emplace(std::move(states), static_cast<int32_t>(order.size()));
    if (!added) return place->second;
    if (static_cast<int64_t>(order.size()) >= limits.max_dfa_states) too_many(limits);
    order.push_back(&place->first);
    close(at_end, begin, true);
    dfa.accept.push_back(std::ranges::binary_search(at_end, nfa.accept) ? 1 : 0);
    return place->second;
  };
  number_of({nfa.start}, true);
  std::vector<std::vector<int32_t>> targets(width);
  for (size_t i = 0; i < order.size(); ++i) {
    for (std::vector<int32_t>& target : targets) target.clear();
    for (const int32_t state : *order[i]) {
      if (state < 0) continue;
      for (const CharNfa::Edge& edge : nfa.states[static_cast<size_t>(state)].edges) {
        for (const int32_t c : alphabet.classes_of[static_cast<size_t>(edge.set)]) {
          targets[static_cast<size_t>(c)].push_back(edge.to);
          budget.spend(1);
        }
      }
    }
    budget.spend(static_cast<int64_t>(width));
    for (size_t c = 0; c < width; ++c) {
      std::vector<int32_t>& target = targets[c];
      std::ranges::sort(target);
      target.erase(std::unique(target.begin(), target.end()), target.end());
      dfa.next.push_back(target.empty() ? -1 : number_of(target, false));
    }
  }
  return trimmed(dfa);
}

CharDfa intersection(const CharDfa& a, const CharDfa& b, const GrammarLimits& limits,
                     WorkBudget& budget) {
  struct Pair {
    size_t left, right;
  };
  CharDfa product;
  std::vector<Pair> classes;
  for (size_t i = 0; i < a.classes.size(); ++i) {
    for (size_t j = 0; j < b.classes.size(); ++j) {
      budget.spend(static_cast<int64_t>(a.classes[i].ranges().size()));
      CharSet common = a.classes[i] & b.classes[j];
      if (common.empty()) continue;
      product.classes.push_back(std::move(common));
      classes.push_back({i, j});
    }
  }
  std::map<std::pair<int32_t, int32_t>, int32_t> numbers;
  std::vector<std::pair<int32_t, int32_t>> order;
  const auto number_of = [&](int32_t left, int32_t right) {
    const auto [place, added] =
        numbers.emplace(std::pair(left, right), static_cast<int32_t>(order.size()));
    if (!added) return place->second;
    // Many pairs may lead nowhere, so the limit on what is left is checked by the caller's work.
    if (static_cast<int64_t>(order.size()) >= 8 * limits.max_dfa_states) too_many(limits);
    order.emplace_back(left, right);
    product.accept.push_back(a.accept[static_cast<size_t>(left)] &
                             b.accept[static_cast<size_t>(right)]);
    return place->second;
  };
  number_of(0, 0);
  for (size_t i = 0; i < order.size(); ++i) {
    const auto [left, right] = order[i];
    budget.spend(static_cast<int64_t>(classes.size()) + 1);
    for (const Pair& pair : classes) {
      const int32_t to_left = a.next[static_cast<size_t>(left) * a.classes.size() + pair.left];
      const int32_t to_right = b.next[static_cast<size_t>(right) * b.classes.size() + pair.right];
      product.next.push_back(to_left < 0 || to_right < 0 ? -1 : number_of(to_left, to_right));
    }
  }
  CharDfa result = trimmed(product);
  if (result.states() > limits.max_dfa_states) too_many(limits);
  return result;
}

CharDfa complement(const CharDfa& a) {
  CharDfa out;
  out.classes = a.classes;
  CharSet known;
  for (const CharSet& set : a.classes) known = known | set;
  const CharSet rest = known.complement();
  if (!rest.empty()) out.classes.push_back(rest);
  const auto sink = static_cast<int32_t>(a.states());
  for (int32_t state = 0; state <= sink; ++state) {
    out.accept.push_back(state == sink || a.accept[static_cast<size_t>(state)] == 0 ? 1 : 0);
    for (size_t c = 0; c < out.classes.size(); ++c) {
      const bool leads = state != sink && c < a.classes.size();
      const int32_t to =
          leads ? a.next[static_cast<size_t>(state) * a.classes.size() + c] : int32_t{-1};
      out.next.push_back(to < 0 ? sink : to);
    }
  }
  return trimmed(out);
}

CharDfa counted(const CharSet& set, int64_t min, int64_t max) {
  CharDfa dfa;
  dfa.classes = {set};
  const int64_t last = max < 0 ? min : max;
  for (int64_t i = 0; i <= last; ++i) {
    dfa.accept.push_back(i >= min ? 1 : 0);
    dfa.next.push_back(static_cast<int32_t>(i < last ? i + 1 : (max < 0 ? i : -1)));
  }
  return trimmed(dfa);
}

CharDfa words(const std::vector<std::string>& texts) {
  // A trie, whose classes are the characters that occur.
  std::map<char32_t, size_t> columns;
  for (const std::string& text : texts) {
    for (size_t at = 0; at < text.size();) {
      const CodePoint c = decode_at(text, at);
      columns.emplace(c.value, 0);
      at += static_cast<size_t>(c.size);
    }
  }
  size_t longest = 1;
  for (const std::string& text : texts) longest += text.size();
  if (longest * (columns.size() + 1) > size_t{1} << 24) {
    fail(ErrorKind::exhausted, "{} names of {} bytes are too many", texts.size(), longest);
  }
  CharDfa dfa;
  for (auto& [value, column] : columns) {
    column = dfa.classes.size();
    dfa.classes.push_back(CharSet::of(value));
  }
  const size_t width = columns.size();
  const auto add_state = [&] {
    dfa.accept.push_back(0);
    dfa.next.insert(dfa.next.end(), width, -1);
    return static_cast<int32_t>(dfa.accept.size()) - 1;
  };
  add_state();
  for (const std::string& text : texts) {
    size_t state = 0;
    for (size_t at = 0; at < text.size();) {
      const CodePoint c = decode_at(text, at);
      const size_t cell = state * width + columns.at(c.value);
      if (dfa.next[cell] < 0) {
        const int32_t added = add_state();
        dfa.next[cell] = added;
      }
      state = static_cast<size_t>(dfa.next[cell]);
      at += static_cast<size_t>(c.size);
    }
    dfa.accept[state] = 1;
  }
  return dfa;
}

}  // namespace cadre::text::grammar
