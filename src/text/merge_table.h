// The merges of a BPE model: which pairs of tokens become which token, and in what order.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/random.h"

namespace cadre::text {

// A pair of token ids as one number whose order is that of the pairs.
constexpr uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

// A hash table with open addressing, read far more often than anything else in this folder.
class MergeTable {
 public:
  // rank * 2^32 + id of the merged token; several merges may share a rank.
  using Merge = uint64_t;
  static constexpr Merge kNone = ~0ull;
  static int32_t merged_id(Merge merge) { return static_cast<int32_t>(merge & 0xffffffff); }
  static uint32_t rank(Merge merge) { return static_cast<uint32_t>(merge >> 32); }

  explicit MergeTable(int64_t expected_size) {
    uint64_t slots = 16;
    while (slots < static_cast<uint64_t>(expected_size) * 2) slots *= 2;
    slots_.resize(slots);
  }

  // Among equal pairs the last one set counts. At most expected_size different pairs.
  void set(int32_t left, int32_t right, uint32_t rank, int32_t id) {
    Slot& slot = slots_[find_slot(pair_key(left, right))];
    slot.key = pair_key(left, right);
    slot.merge = static_cast<uint64_t>(rank) << 32 | static_cast<uint32_t>(id);
  }

  Merge find(int32_t left, int32_t right) const {
    return slots_[find_slot(pair_key(left, right))].merge;
  }

 private:
  struct Slot {
    uint64_t key = ~0ull;  // ids are not negative, so this is no pair
    Merge merge = kNone;
  };

  uint64_t find_slot(uint64_t key) const {
    const uint64_t mask = slots_.size() - 1;
    uint64_t at = mix_bits(key) & mask;
    while (slots_[at].key != key && slots_[at].key != ~0ull) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_;
};

}  // namespace cadre::text
