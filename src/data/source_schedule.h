// Which source each training sequence comes from: a mixture without chance.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cadre::data {

// Slot p of training draws from source(p); among the first n slots each source has had
// n * weight / sum of weights, rounded up or down, never further away than one sequence:
//
//   |count_s(n) - n * w_s| <= 1 - 1 / (2 S - 2)   for S sources
//
// Tijdeman, "The chairman assignment problem", Discrete Mathematics 32 (1980). Chance instead would
// stray by the square root of n. The order repeats after a period of at most 65536 slots, over
// which weights are exact; weights that fit no such period are rounded to 1 / 65536 of the sum.
// Immutable; a pure function of the position.
class SourceSchedule {
 public:
  // Throws Error(invalid_input) for a weight that is negative or not finite, and if none is above
  // 0.
  explicit SourceSchedule(const std::vector<double>& weights);

  struct Slot {
    int32_t source;
    int64_t index;  // how many earlier slots drew from the same source
  };
  Slot at(int64_t position) const;

  int64_t period() const { return static_cast<int64_t>(sources_.size()); }
  // The share of the source in a period.
  double share(int64_t source) const;

 private:
  std::vector<int64_t> counts_;   // of each source in a period
  std::vector<int32_t> sources_;  // of each slot
  std::vector<int32_t> earlier_;  // slots of the same source before it in the period
};

}  // namespace cadre::data
