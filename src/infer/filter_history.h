// What a local filter needs of the past of one sequence in one layer: the rows of the last token
// (nn/local_filter.h), and enough earlier ones to go back.
#pragma once

#include <cstdint>

#include "core/ops/context.h"
#include "core/ops/local_filter.h"

namespace cadre::infer {

// Keeps the rows of the last kRecent tokens and those of every kRecent-th token before: 1 / 64 of
// what keeping all would take. Belongs to one thread.
class FilterHistory {
 public:
  static constexpr int64_t kRecent = 64;

  // Widths of the filter's input and of its inner layer.
  FilterHistory(int64_t hidden_size, int64_t inner_size, DType dtype);

  int64_t length() const { return length_; }
  // The rows of the last token, [1, D] and [1, C]; zeros if there is none.
  ops::LocalFilterRows last(Context& ctx) const;
  // The rows of the tokens that follow, [n, D] and [n, C].
  void append(Context& ctx, const ops::LocalFilterRows& rows);
  // The longest length from which the sequence may go on if it is to have at most `length` tokens:
  // `length` itself where it is among the last kRecent, else the multiple of kRecent below.
  int64_t restorable(int64_t length) const;
  // Goes back to restorable(length).
  void truncate(int64_t length);

 private:
  ops::LocalFilterRows row(int64_t position) const;

  int64_t hidden_size_;
  int64_t inner_size_;
  DType dtype_;
  int64_t length_ = 0;
  int64_t first_recent_ = 0;         // the first position whose rows still are in recent_
  ops::LocalFilterRows recent_;      // [kRecent, ...], position p in row p % kRecent
  ops::LocalFilterRows milestones_;  // [capacity, ...], position (i + 1) * kRecent - 1 in row i
};

}  // namespace cadre::infer
