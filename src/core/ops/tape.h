// Reverse-mode differentiation: ops record how to turn the gradient of their output into gradients
// of their inputs; backward() runs these records from the last to the first.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/tensor/tensor.h"

namespace cadre {

class Context;

// A tensor as the tape knows it: identity, shape and type, but not the memory, which goes back to
// the allocator as soon as nobody needs the values. A derivative captures the tensors whose values
// it reads, and the keys of those it only has to address.
class TensorKey {
 public:
  TensorKey() = default;
  TensorKey(const Tensor& x)  // NOLINT: every tensor is a key
      : identity_(x.identity()),
        reserved_(x.reserve_identity()),
        shape_(x.shape()),
        dtype_(x.dtype()) {}
  const void* identity() const { return identity_; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }

 private:
  const void* identity_ = nullptr;
  std::weak_ptr<const void> reserved_;
  Shape shape_{0};
  DType dtype_ = DType::f32;
};

// Where an op puts the gradient of one of its inputs.
struct Gradient {
  Tensor value;     // undefined if nobody wants this gradient
  bool accumulate;  // false: value is uninitialised, overwrite every element; true: add to it
  bool wanted() const { return value.defined(); }
};

// Tensors are known by identity(): a reshaped tensor shares its gradient, and slices must not be
// recorded. A gradient has the dtype of its tensor, except that of a watched tensor, which has the
// dtype of its buffer (f32 for parameters). Belongs to one thread, and stays where it was made, for
// its records point to it.
//
// A tape without watched tensors and without a parent records nothing; it only tells the ops that
// this is training (dropout drops).
class Tape {
 public:
  using Backward = std::function<void(Context& ctx, const Tensor& dy)>;

  // What this tape does not know is looked up in `parent`, which must outlive it: contributions to
  // the parent's tensors go there.
  explicit Tape(Tape* parent = nullptr) : parent_(parent) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // Sums the gradient of a leaf (a parameter) into `buffer`, of the same shape. If `fresh`, the
  // first contribution overwrites the buffer, and finish_leaves() clears what was never reached.
  void watch(const Tensor& leaf, const Tensor& buffer, bool fresh);

  // True if the gradient of x is wanted: x is watched or was recorded as an output.
  bool tracks(const TensorKey& x) const;

  // Records an op with one output. Ops call it only if at least one input is tracked. While a
  // Backward runs, nothing is recorded; it may keep and overwrite dy.
  void record(const Tensor& y, Backward backward);

  // Where to put the gradient of x. Each call means one contribution, complete when the op that
  // asked returns; so call it once per input and op. Usually called inside a Backward, but an op
  // that knows its derivative earlier may call it in the forward pass.
  Gradient gradient(Context& ctx, const TensorKey& x);
  // Contributes a finished gradient, with as many elements as x, in f32 or bf16; does nothing if it
  // is not wanted. contribute() may take the memory of `value`, so the caller must not use it
  // again.
  void accumulate(Context& ctx, const TensorKey& x, const Tensor& value);
  void contribute(Context& ctx, const TensorKey& x, const Tensor& value);

  // Seeds the gradient of y with dy (which it may keep and overwrite) and runs all records
  // backwards; each record and the gradient of its output is released as soon as it has run.
  void backward(Context& ctx, const Tensor& y, const Tensor& dy);

  // Zeroes the fresh buffers that received no contribution (an expert or embedding never used).
  void finish_leaves(Context& ctx);

  // The gradient of a watched tensor after backward(); undefined if none arrived.
  Tensor gradient_of(const TensorKey& x) const;

 private:
  struct Record {
    TensorKey y;
    Backward backward;
  };
  struct Slot {
    TensorKey key;
    Tensor value;
    bool leaf = false;
    bool has_value = false;
  };

  Tape* parent_;
  std::vector<Record> records_;
  std::unordered_map<const void*, Slot> slots_;
};

}  // namespace cadre
