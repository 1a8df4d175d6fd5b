// What training asks of data: rows of tokens whose order is a pure function of a number, so that
// the state of the data is the number of the step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cadre::train {

// Documents lie end to end; attention does not cross their starts.
struct MicroBatch {
  std::vector<int32_t> tokens;   // [N]
  std::vector<int32_t> targets;  // [N], the token that follows, or -1 for no loss
  std::vector<int64_t> starts;   // of documents, ascending, the first 0
  std::vector<uint8_t> mask;     // [N], 0 for padding; empty if there is none
};

// Thread-safe for const calls.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // Micro-batch number `index` since the beginning of training, from 0 without end.
  virtual MicroBatch training_batch(int64_t index) const = 0;

  // The held-out part, by named source.
  virtual std::vector<std::string> sources() const = 0;
  virtual int64_t num_validation_batches(int64_t source) const = 0;
  virtual MicroBatch validation_batch(int64_t source, int64_t index) const = 0;
  // Bytes of text that the targets of a batch stand for.
  virtual int64_t target_bytes(const MicroBatch& batch) const = 0;
};

}  // namespace cadre::train
