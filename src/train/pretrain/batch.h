// What training asks of data: batches whose order is a pure function of a number, so that the state
// of the data is the number of the step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/batch.h"

namespace cadre::train {

// A step is made of one or more of these.
using MicroBatch = data::Batch;

// Thread-safe for const calls.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // Micro-batch number `index` since the beginning of training, from 0 without end.
  virtual MicroBatch training_batch(int64_t index) const = 0;

  // The held-out part, by named source. The batches of a source know in text_bytes, summed over all
  // of them, what their targets stand for.
  virtual std::vector<std::string> sources() const = 0;
  virtual int64_t num_validation_batches(int64_t source) const = 0;
  virtual MicroBatch validation_batch(int64_t source, int64_t index) const = 0;

  // Changes if the data do: a run is not resumed on others.
  virtual std::string fingerprint() const = 0;
};

}  // namespace cadre::train
