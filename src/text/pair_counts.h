// Pairs of neighbouring tokens in the words of a training text.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/random.h"

namespace cadre::text {

// A hash table from pairs (merge_table.h: pair_key) to how often they occur and in which words they
// have newly appeared. Entries are never removed; references are valid until the next call of at().
class PairCounts {
 public:
  struct Entry {
    uint64_t pair = ~0ull;
    int64_t count = 0;
    std::vector<uint32_t> new_words;  // ascending, each once
  };

  PairCounts() : slots_(1 << 16, -1) {}

  Entry& at(uint64_t pair) {
    uint64_t slot = slot_of(pair);
    if (slots_[slot] < 0) {
      if (2 * (entries_.size() + 1) > slots_.size()) {
        grow();
        slot = slot_of(pair);
      }
      slots_[slot] = static_cast<int64_t>(entries_.size());
      entries_.push_back({pair, 0, {}});
    }
    return entries_[slots_[slot]];
  }
  std::vector<Entry>& entries() { return entries_; }

 private:
  uint64_t slot_of(uint64_t pair) const {
    const uint64_t mask = slots_.size() - 1;
    uint64_t slot = mix_bits(pair) & mask;
    while (slots_[slot] >= 0 && entries_[slots_[slot]].pair != pair) slot = (slot + 1) & mask;
    return slot;
  }

  void grow() {
    slots_.assign(slots_.size() * 2, -1);
    for (size_t i = 0; i < entries_.size(); ++i) {
      slots_[slot_of(entries_[i].pair)] = static_cast<int64_t>(i);
    }
  }

  std::vector<int64_t> slots_;  // index into entries_, or -1
  std::vector<Entry> entries_;
};

}  // namespace cadre::text
