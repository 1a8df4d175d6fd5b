// Load balancing without a loss: after each step the bias of an expert that got less than its share
// rises by `rate`, and that of one that got more falls.
//
//   b_e += rate * sign(mean over experts of n - n_e)
//
// n_e are the assignments of the whole step. Wang et al., "Auxiliary-Loss-Free Load Balancing
// Strategy for Mixture-of-Experts", arXiv:2408.15664; DeepSeek-V3, arXiv:2412.19437.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/nn/forward.h"
#include "model/parameters.h"

namespace cadre::train {

// Belongs to one thread. Counts are whole numbers, so the order of micro-batches changes no bit.
class SelectionBias {
 public:
  // Finds the biases among the parameters; none or a rate of 0 makes this do nothing.
  SelectionBias(std::shared_ptr<const model::Parameters> parameters, int64_t num_layers,
                double rate);

  // Counts one micro-batch.
  void add(const nn::ForwardTrace& trace);
  // Moves the biases by what was counted, or forgets it, as the step is taken or skipped.
  void step(bool taken);

 private:
  struct Layer {
    int64_t layer;
    int64_t parameter;
    std::vector<int64_t> counts;
  };

  std::shared_ptr<const model::Parameters> parameters_;
  double rate_;
  std::vector<Layer> layers_;
};

}  // namespace cadre::train
