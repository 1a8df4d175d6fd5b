// Reverse-mode differentiation: ops record how to turn the gradient of their output into gradients
// of their inputs; backward() runs these records from the last to the first.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "core/tensor/tensor.h"

namespace cadre {

class Context;

// Where an op puts the gradient of one of its inputs.
struct Gradient {
  Tensor value;     // undefined if nobody wants this gradient
  bool accumulate;  // false: value is uninitialised, overwrite every element; true: add to it
  bool wanted() const { return value.defined(); }
};

// Tensors are known by identity(): a reshaped tensor shares its gradient, and slices must not be
// recorded. A gradient has the dtype of its tensor, except that of a watched tensor, which has the
// dtype of its buffer (f32 for parameters). Belongs to one thread.
class Tape {
 public:
  using Backward = std::function<void(Context& ctx, const Tensor& dy)>;

  // Sums the gradient of a leaf (a parameter) into `buffer`, of the same shape. If `fresh`, the
  // first contribution overwrites the buffer, and finish_leaves() clears what was never reached.
  void watch(const Tensor& leaf, const Tensor& buffer, bool fresh);

  // True if the gradient of x is wanted: x is watched or was recorded as an output.
  bool tracks(const Tensor& x) const;

  // Records an op with one output. Ops call it only if at least one input is tracked.
  void record(const Tensor& y, Backward backward);

  // For use inside a Backward: where to put the gradient of x. Each call means one contribution
  // that will be complete when the Backward returns; so call it once per input and op.
  Gradient gradient(Context& ctx, const Tensor& x);

  // Seeds the gradient of y with dy (which it may keep and overwrite) and runs all records
  // backwards; each record and the gradient of its output is released as soon as it has run.
  void backward(Context& ctx, const Tensor& y, const Tensor& dy);

  // Zeroes the fresh buffers that received no contribution (an expert or embedding never used).
  void finish_leaves(Context& ctx);

  // The gradient of a tracked tensor after backward(); undefined if none arrived. For tests, and
  // for inputs that are not parameters (watch them).
  Tensor gradient_of(const Tensor& x) const;

 private:
  struct Record {
    Tensor y;
    Backward backward;
  };
  struct Slot {
    Tensor value;
    bool leaf = false;
    bool has_value = false;
  };

  std::vector<Record> records_;
  std::unordered_map<const void*, Slot> slots_;
};

}  // namespace cadre
