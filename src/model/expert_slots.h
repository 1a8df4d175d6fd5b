// Which experts of a layer are in memory, and which of them goes when another comes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cadre::model {

// The uses of an expert count less with each pass through the layer, by a factor of kAgeing, and
// the expert with the smallest sum goes: neither the most recent use alone decides, as in LRU, nor
// a text that is long over, as in LFU. docs/experts.md compares them on recorded routing. Belongs
// to one thread.
class ExpertSlots {
 public:
  static constexpr double kAgeing = 0.95;

  // num_slots is from 1 to num_experts.
  ExpertSlots(int64_t num_experts, int64_t num_slots);

  int64_t num_experts() const { return static_cast<int64_t>(slot_of_.size()); }
  int64_t num_slots() const { return static_cast<int64_t>(expert_in_.size()); }
  // -1 if the expert is not in memory.
  int64_t slot_of(int64_t expert) const { return slot_of_[static_cast<size_t>(expert)]; }
  double use_of(int64_t expert) const { return use_[static_cast<size_t>(expert)]; }

  // A pass in which expert e gets rows[e] rows.
  void count(std::span<const int64_t> rows);
  // Gives the expert, which is not in memory, a slot: a free one, or that of the least used expert
  // that is not among `kept`; of equals the lower slot. There must be one.
  int64_t place(int64_t expert, std::span<const int64_t> kept);
  // Takes an expert's slot away.
  void remove(int64_t expert);

 private:
  std::vector<int64_t> slot_of_;    // of each expert
  std::vector<int64_t> expert_in_;  // of each slot; -1: free
  std::vector<double> use_;
};

}  // namespace cadre::model
