// What rounding costs, as a share of what the weights give:
//
//   error = sqrt( sum of share[e] importance[e, i] (w - w')^2 / sum of the same of w^2 )
//
// over matrices e, their rows and columns i: the root mean square of the change of a layer's
// output over that of the output, if inputs do not correlate.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/weights.h"
#include "quant/importance.h"
#include "quant/tensors.h"

namespace cadre::quant {

// Sums of both squares; pieces of one tensor may be added up.
struct RoundingError {
  double lost = 0.0;
  double kept = 0.0;

  double relative() const;
  RoundingError& operator+=(const RoundingError& other) {
    lost += other.lost;
    kept += other.kept;
    return *this;
  }
};

// The error of each of `types` on rows of the tensor spread evenly over it, about `max_elements` of
// them; all rows if there are fewer.
std::vector<RoundingError> sample_errors(Context& ctx, const model::Weights& weights,
                                         const Importance& importance, const OutputTensor& tensor,
                                         std::span<const io::StoredType> types,
                                         int64_t max_elements);

// The error of what has been written, read back whole, for each parameter. Throws
// Error(corrupt_data), naming the parameter, if kept ones differ at all, a value is not finite, or
// more is lost than rounding can lose.
std::vector<RoundingError> measure_written(Context& ctx, const model::Weights& source,
                                           const model::Weights& written,
                                           const Importance& importance,
                                           const std::function<void(int64_t done)>& progress);

}  // namespace cadre::quant
