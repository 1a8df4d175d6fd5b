// Masks of the vocabulary by place in the grammar, computed once and kept.
//
// Which tokens may come at a place (a node on a stack) mostly depends on the node alone: a token
// either stays within the rule, or is refused, or leaves the rule on its way. The first kind is
// kept for each node; for the last, the cache remembers where in the tree of tokens the rule is
// left, and continues there with the node below, whose answer is kept for the pair, and so on. So
// the common mask is one or two look-ups. After XGrammar (Dong et al., arXiv:2411.15100), which
// calls the kinds context-independent and context-dependent tokens and tells them apart ahead of
// time; here they are found when they are first needed.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "text/grammar/parse_front.h"
#include "text/grammar/token_trie.h"

namespace cadre::text::grammar {

// Fronts above a stack that is not known, each with where its bytes lead: a deterministic automaton
// that is made as it is walked.
class LocalStates {
 public:
  explicit LocalStates(const Pushdown& pushdown) : stepper_(pushdown) {}

  static constexpr int32_t kDead = -1;

  int32_t at(int32_t node);                   // standing at a node that reads bytes
  int32_t entering(int32_t node);             // about to go on from any node
  int32_t next(int32_t state, uint8_t byte);  // kDead if no text goes on so
  bool bottom(int32_t state) const { return states_[static_cast<size_t>(state)].front.bottom; }
  // How many bytes that are plain (TokenTrie) may follow, whichever, without leaving the rule.
  int32_t plain_run(int32_t state);

  size_t size() const { return states_.size(); }
  void clear();

 private:
  static constexpr int32_t kUnknown = -2;
  static constexpr size_t kMaxStates = 100'000;
  struct State {
    Front front;
    std::unique_ptr<int32_t[]> next;  // [256], made when first asked
    int32_t run = kUnknown;
    int32_t plain_next = kUnknown;  // where all plain bytes lead, or kDead
  };
  int32_t number_of(const Front& front);
  int32_t plain_successor(int32_t state);

  FrontStepper stepper_;
  FrameTable frames_;
  std::vector<State> states_;
  std::unordered_multimap<uint64_t, int32_t> by_hash_;
  Front front_;  // reused
};

// Safe from any thread: one mutex guards all of it.
class MaskCache {
 public:
  // Beyond this much memory what is kept is forgotten, and found again when it is needed.
  static constexpr size_t kMaxBytes = size_t{256} << 20;

  MaskCache(const Pushdown& pushdown, const TokenTrie& trie);

  // Sets the bits of the tokens that may come at any of the places. `bits` holds (V + 63) / 64
  // words of zeros.
  void add_masks(std::span<const Place> places, const FrameTable& frames, std::span<uint64_t> bits);

 private:
  // What is known of the tokens at a node, given some of the nodes below it.
  struct Entry {
    std::vector<int32_t> few;      // tokens that may come, if they are few
    std::vector<uint64_t> many;    // or their bits
    std::vector<uint32_t> leaves;  // nodes of the tree where the rule is left and tokens go on
    std::unordered_map<int32_t, int32_t> below;  // by the node below
  };
  int32_t entry_at(int32_t node);
  int32_t entry_below(int32_t entry, int32_t node);
  // Walks the subtree below `from`, where the text stands in `state`.
  void walk(uint32_t from, int32_t state, Entry& entry);
  int32_t keep(Entry entry);
  void accept(uint32_t first_token, uint32_t end);

  std::mutex mutex_;
  const TokenTrie& trie_;
  LocalStates states_;
  std::vector<Entry> entries_;
  std::unordered_map<int32_t, int32_t> at_node_;
  size_t bytes_ = 0;
  std::vector<uint64_t> bits_;     // of the entry that is being made
  std::vector<int32_t> accepted_;  // the tokens whose bits are set, while they are few
  std::vector<int32_t> stack_;     // of states, by depth
};

}  // namespace cadre::text::grammar
