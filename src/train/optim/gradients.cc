#include "train/optim/gradients.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cadre::train {
namespace {

constexpr int64_t kNormBlock = 1 << 15;

}  // namespace

Gradients::Gradients(Context& ctx, std::shared_ptr<const model::Parameters> parameters)
    : parameters_(std::move(parameters)) {
  for (int64_t i = 0; i < parameters_->size(); ++i) {
    buffers_.push_back(ctx.zeros(parameters_->tensor(i).shape(), DType::f32));
  }
}

void Gradients::watch(Tape& tape, bool fresh) const {
  for (int64_t i = 0; i < size(); ++i) tape.watch(parameters_->tensor(i), tensor(i), fresh);
}

double Gradients::norm(Context& ctx) const {
  const std::vector<ParameterBlock> blocks = parameter_blocks(*parameters_, kNormBlock);
  std::vector<double> sums(blocks.size());
  ctx.pool().run(static_cast<int64_t>(blocks.size()), [&](int64_t i, int) {
    const ParameterBlock& block = blocks[static_cast<size_t>(i)];
    sums[static_cast<size_t>(i)] =
        ctx.kernels().sum_squares(tensor(block.parameter).data<float>(), block.elements);
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return std::sqrt(total);
}

double clipping_factor(double norm, double max_norm) {
  if (max_norm <= 0.0) return 1.0;
  return std::min(1.0, max_norm / (norm + 1e-6));
}

std::vector<ParameterBlock> parameter_blocks(const model::Parameters& parameters, int64_t grain) {
  std::vector<ParameterBlock> blocks;
  for (int64_t i = 0; i < parameters.size(); ++i) {
    const int64_t count = parameters.tensor(i).elements();
    for (int64_t begin = 0; begin < count; begin += grain) {
      blocks.push_back({i, {begin, std::min(count, begin + grain)}});
    }
  }
  return blocks;
}

}  // namespace cadre::train
