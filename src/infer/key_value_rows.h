// The keys and values of one layer and one sequence: all of them, or with a sliding window those
// that can still be seen, in a ring.
#pragma once

#include <cstdint>

#include "core/ops/attention.h"
#include "core/ops/context.h"

namespace cadre::infer {

// Memory grows with the sequence. With a window of W it stops at W - 1 rows before the largest step
// that was ever taken, rounded to tiles of attention: position p lies in row p % capacity, and
// nothing is moved when the ring goes round. Belongs to one thread.
class KeyValueRows {
 public:
  // window = 0 keeps all. max_length bounds the sequence.
  KeyValueRows(int64_t width, int64_t window, DType dtype, int64_t max_length);

  // Rows of the tokens at positions [length, length + n), [n, width] each; what was there is lost.
  void append(Context& ctx, int64_t length, const Tensor& keys, const Tensor& values);

  // [capacity, width]; undefined before the first append.
  const Tensor& keys() const { return keys_; }
  const Tensor& values() const { return values_; }
  // Rows of the ring, as AttentionSegment has them; 0 without a window.
  int64_t ring() const { return window_ > 0 ? capacity() : 0; }
  int64_t capacity() const { return keys_.defined() ? keys_.dim(0) : 0; }

  // The longest length up to `length` at which the sequence can go on: `length` itself, or 0 if the
  // ring has gone over keys that the next token would see.
  int64_t restorable(int64_t length) const;
  // Goes back to restorable(length).
  void truncate(int64_t length);

 private:
  int64_t first_needed(int64_t length) const;
  void reserve(Context& ctx, int64_t length, int64_t count);

  int64_t width_;
  int64_t window_;
  DType dtype_;
  int64_t max_length_;
  int64_t first_ = 0;  // the first position whose row has not been overwritten
  Tensor keys_;
  Tensor values_;
};

}  // namespace cadre::infer
