// Who wants to see what goes into linear layers, as calibration does.
#pragma once

#include <cstdint>
#include <span>

#include "core/tensor/tensor.h"

namespace cadre {

// While one is set in the Context, ops::linear and ops::grouped_linear show it the inputs of
// weights that have a number (ops::Weight::parameter), wherever those lie; packed ones, whose
// inputs are rounded, are left out. Called by the thread that owns the context.
class LinearObserver {
 public:
  virtual ~LinearObserver() = default;

  // Rows [offsets[g], offsets[g + 1]) of x, [M, K] f32 or bf16, meet matrix matrices[g] of the
  // parameter.
  virtual void saw(int64_t parameter, std::span<const int64_t> matrices, const Tensor& x,
                   std::span<const int64_t> offsets) = 0;
};

}  // namespace cadre
