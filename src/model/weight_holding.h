// How a parameter of a stored model is held in memory: the decision, apart from the reading.
#pragma once

#include <cstdint>
#include <optional>

#include "core/tensor/packed_matrix.h"
#include "model/stored_model.h"

namespace cadre::model {

struct WeightHolding {
  MatrixShape matrices;
  DType dense;                         // the element type if it is dense
  std::optional<PackedFormat> packed;  // nothing: dense
  bool as_stored = false;              // the blocks are those of the file
};

WeightHolding weight_holding(const ModelSpec& spec, const Weights& weights, int64_t parameter,
                             const LoadOptions& options);
// The bytes of one of its matrices and of all.
int64_t matrix_bytes(const WeightHolding& holding);
int64_t held_bytes(const WeightHolding& holding);

}  // namespace cadre::model
