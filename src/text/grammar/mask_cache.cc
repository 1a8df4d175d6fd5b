#include "text/grammar/mask_cache.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/random.h"

namespace cadre::text::grammar {
namespace {

constexpr int32_t kLongestRun = 255;
constexpr size_t kMaxLevels = 4096;

uint64_t hash_of(const Front& front) {
  uint64_t hash = front.bottom ? 1 : 0;
  for (const Place& place : front.places) {
    hash = mix_bits(hash ^ (static_cast<uint64_t>(static_cast<uint32_t>(place.node)) << 32 |
                            static_cast<uint32_t>(place.frame)));
  }
  return hash;
}

}  // namespace

int32_t LocalStates::number_of(const Front& front) {
  if (front.dead()) return kDead;
  const uint64_t hash = hash_of(front);
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto at = begin; at != end; ++at) {
    if (states_[static_cast<size_t>(at->second)].front == front) return at->second;
  }
  if (states_.size() >= kMaxStates) {
    fail(ErrorKind::exhausted, "grammar: one token can be read in more than {} ways", kMaxStates);
  }
  by_hash_.emplace(hash, static_cast<int32_t>(states_.size()));
  states_.emplace_back().front = front;
  return static_cast<int32_t>(states_.size()) - 1;
}

int32_t LocalStates::at(int32_t node) {
  front_.places.assign(1, {node, FrameTable::kBottom});
  front_.bottom = false;
  return number_of(front_);
}

int32_t LocalStates::entering(int32_t node) {
  stepper_.enter(node, FrameTable::kBottom, frames_, front_);
  return number_of(front_);
}

int32_t LocalStates::next(int32_t state, uint8_t byte) {
  State& from = states_[static_cast<size_t>(state)];
  if (from.next == nullptr) {
    from.next = std::make_unique<int32_t[]>(256);
    std::fill_n(from.next.get(), 256, kUnknown);
  }
  if (from.next[byte] != kUnknown) return from.next[byte];
  stepper_.step(from.front, byte, frames_, front_);
  const int32_t to = number_of(front_);  // may move states_
  states_[static_cast<size_t>(state)].next[byte] = to;
  return to;
}

int32_t LocalStates::plain_successor(int32_t state) {
  if (states_[static_cast<size_t>(state)].plain_next != kUnknown) {
    return states_[static_cast<size_t>(state)].plain_next;
  }
  int32_t common = next(state, 'a');
  for (int byte = 0x20; byte < 0x7f && common >= 0; ++byte) {
    if (!TokenTrie::is_plain(static_cast<uint8_t>(byte))) continue;
    if (next(state, static_cast<uint8_t>(byte)) != common) common = kDead;
  }
  if (common >= 0 && bottom(common)) common = kDead;  // the rule can be left there
  return states_[static_cast<size_t>(state)].plain_next = common;
}

int32_t LocalStates::plain_run(int32_t state) {
  if (states_[static_cast<size_t>(state)].run != kUnknown) {
    return states_[static_cast<size_t>(state)].run;
  }
  // Along the way until it ends, is known, or is long enough.
  std::vector<int32_t> way = {state};
  int32_t run = 0;
  while (static_cast<int32_t>(way.size()) <= kLongestRun) {
    const int32_t to = plain_successor(way.back());
    if (to < 0) break;
    if (to == way.back()) {
      run = kLongestRun;
      break;
    }
    if (states_[static_cast<size_t>(to)].run != kUnknown) {
      run = std::min(kLongestRun, states_[static_cast<size_t>(to)].run + 1);
      break;
    }
    way.push_back(to);
  }
  if (static_cast<int32_t>(way.size()) > kLongestRun) {
    // Only the first is known to go on for so long.
    return states_[static_cast<size_t>(state)].run = kLongestRun;
  }
  for (size_t i = way.size(); i-- > 0;) {
    states_[static_cast<size_t>(way[i])].run = run;
    run = std::min(kLongestRun, run + 1);
  }
  return states_[static_cast<size_t>(state)].run;
}

void LocalStates::clear() {
  states_.clear();
  by_hash_.clear();
  frames_.clear();
}

MaskCache::MaskCache(const Pushdown& pushdown, const TokenTrie& trie)
    : trie_(trie),
      states_(pushdown),
      bits_((static_cast<size_t>(trie.vocab_size()) + 63) / 64, 0) {}

void MaskCache::accept(uint32_t first_token, uint32_t end) {
  const std::span<const int32_t> tokens = trie_.tokens();
  for (uint32_t i = first_token; i < end; ++i) {
    const auto token = static_cast<size_t>(tokens[i]);
    uint64_t& word = bits_[token / 64];
    const uint64_t bit = uint64_t{1} << (token % 64);
    if ((word & bit) != 0) continue;
    word |= bit;
    accepted_.push_back(tokens[i]);
  }
}

void MaskCache::walk(uint32_t from, int32_t state, Entry& entry) {
  const std::span<const TokenTrie::Node> nodes = trie_.nodes();
  const size_t top = nodes[from].depth;
  const uint32_t end = nodes[from].end;
  // A rule that can be left before it reads anything.
  if (states_.bottom(state) && end > from + 1) entry.leaves.push_back(from);
  stack_.assign(1, state);
  for (uint32_t i = from + 1; i < end;) {
    const TokenTrie::Node& node = nodes[i];
    const size_t depth = node.depth - top;
    const int32_t above = stack_[depth - 1];
    if (node.plain_height > 0 && node.end > i + 1 &&
        node.plain_height <= states_.plain_run(above)) {
      accept(node.first_token, nodes[node.end].first_token);
      i = node.end;
      continue;
    }
    const int32_t next = states_.next(above, node.byte);
    if (next == LocalStates::kDead) {
      i = node.end;
      continue;
    }
    accept(node.first_token, nodes[i + 1].first_token);
    if (node.end > i + 1 && states_.bottom(next)) entry.leaves.push_back(i);
    stack_.resize(depth);
    stack_.push_back(next);
    ++i;
  }
}

int32_t MaskCache::keep(Entry entry) {
  std::ranges::sort(entry.leaves);
  entry.leaves.erase(std::unique(entry.leaves.begin(), entry.leaves.end()), entry.leaves.end());
  if (accepted_.size() < bits_.size()) {
    entry.few = accepted_;
    bytes_ += accepted_.size() * sizeof(int32_t);
  } else {
    entry.many = bits_;
    bytes_ += bits_.size() * sizeof(uint64_t);
  }
  for (const int32_t token : accepted_) bits_[static_cast<size_t>(token) / 64] = 0;
  accepted_.clear();
  bytes_ += sizeof(Entry) + entry.leaves.size() * sizeof(uint32_t) + 64;
  entries_.push_back(std::move(entry));
  return static_cast<int32_t>(entries_.size()) - 1;
}

int32_t MaskCache::entry_at(int32_t node) {
  const auto known = at_node_.find(node);
  if (known != at_node_.end()) return known->second;
  Entry entry;
  walk(0, states_.at(node), entry);
  const int32_t number = keep(std::move(entry));
  at_node_.emplace(node, number);
  return number;
}

int32_t MaskCache::entry_below(int32_t index, int32_t node) {
  const auto known = entries_[static_cast<size_t>(index)].below.find(node);
  if (known != entries_[static_cast<size_t>(index)].below.end()) return known->second;
  Entry entry;
  const int32_t state = states_.entering(node);
  for (const uint32_t leaf : entries_[static_cast<size_t>(index)].leaves) walk(leaf, state, entry);
  const int32_t number = keep(std::move(entry));
  entries_[static_cast<size_t>(index)].below.emplace(node, number);
  return number;
}

void MaskCache::add_masks(std::span<const Place> places, const FrameTable& frames,
                          std::span<uint64_t> bits) {
  const std::lock_guard lock(mutex_);
  if (bytes_ > kMaxBytes || states_.size() > 50'000) {
    entries_.clear();
    at_node_.clear();
    states_.clear();
    bytes_ = 0;
  }
  try {
    for (const Place& place : places) {
      int32_t index = entry_at(place.node);
      int32_t frame = place.frame;
      for (size_t level = 0;; ++level) {
        const Entry& entry = entries_[static_cast<size_t>(index)];
        for (const int32_t token : entry.few) {
          bits[static_cast<size_t>(token) / 64] |= uint64_t{1} << (token % 64);
        }
        for (size_t word = 0; word < entry.many.size(); ++word) bits[word] |= entry.many[word];
        if (entry.leaves.empty() || frame == FrameTable::kBottom) break;
        if (level > kMaxLevels) {
          fail(ErrorKind::exhausted, "grammar: more than {} rules may end at once", kMaxLevels);
        }
        index = entry_below(index, frames.node(frame));
        frame = frames.below(frame);
      }
    }
  } catch (...) {
    // An entry that was not finished leaves its bits.
    std::ranges::fill(bits_, uint64_t{0});
    accepted_.clear();
    throw;
  }
}

}  // namespace cadre::text::grammar
