// The gradient of every parameter, in f32 whatever the compute type.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/ops/context.h"
#include "model/parameters.h"

namespace cadre::train {

// One buffer for each parameter, kept from step to step. Belongs to one thread.
class Gradients {
 public:
  Gradients(Context& ctx, std::shared_ptr<const model::Parameters> parameters);

  // Lets a tape sum into the buffers. `fresh` for the first micro-batch of a step: what was there
  // is overwritten rather than cleared, which saves a pass over memory; finish the tape with
  // Tape::finish_leaves.
  void watch(Tape& tape, bool fresh) const;

  // The Euclidean norm over all parameters: sums of squares in f64 of blocks of fixed size, added
  // in the order of parameters and blocks, so it does not depend on the number of threads.
  double norm(Context& ctx) const;

  const Tensor& tensor(int64_t index) const { return buffers_[static_cast<size_t>(index)]; }
  int64_t size() const { return static_cast<int64_t>(buffers_.size()); }

 private:
  std::shared_ptr<const model::Parameters> parameters_;
  std::vector<Tensor> buffers_;
};

// min(1, max_norm / (norm + 1e-6)), the factor that clips a gradient of that norm; 1 if max_norm is
// 0, which turns clipping off. Pascanu et al., arXiv:1211.5063.
double clipping_factor(double norm, double max_norm);

// A piece of one parameter: the unit in which passes over all parameters are divided among threads.
struct ParameterBlock {
  int64_t parameter;
  Range elements;
};

// Cuts every parameter into blocks of `grain` elements (the last of each may be shorter), in order.
std::vector<ParameterBlock> parameter_blocks(const model::Parameters& parameters, int64_t grain);

}  // namespace cadre::train
