// Who wants to see what goes into linear layers, as calibration does.
#pragma once

#include <cstdint>
#include <span>

#include "core/tensor/tensor.h"

namespace cadre {

// While one is set in the Context, ops::linear and ops::grouped_linear with dense weights show it
// their inputs before they compute. Called by the thread that owns the context.
class LinearObserver {
 public:
  virtual ~LinearObserver() = default;

  // Rows [offsets[e], offsets[e + 1]) of x, [M, K] f32 or bf16, meet matrix e of the weight,
  // [E, O, K]; a weight of rank 2 is one matrix.
  virtual void saw(const Tensor& weight, const Tensor& x, std::span<const int64_t> offsets) = 0;
};

}  // namespace cadre
