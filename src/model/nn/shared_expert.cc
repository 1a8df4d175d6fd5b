#include "model/nn/shared_expert.h"

#include <fmt/format.h>

#include "core/ops/elementwise.h"
#include "core/ops/linear.h"
#include "core/ops/rows.h"

namespace cadre::nn {

SharedExpert::SharedExpert(const model::SharedExpertSpec& spec, int64_t layer,
                           const model::Parameters& parameters)
    : mlp_(fmt::format("blocks.{}.shared_expert", layer), parameters) {
  if (spec.sigmoid_gate) {
    gate_ = parameters.tensor(fmt::format("blocks.{}.shared_expert_gate", layer));
  }
}

Tensor SharedExpert::forward(Context& ctx, const Tensor& x) const {
  const Tensor y = mlp_.forward(ctx, x);
  if (!gate_.defined()) return y;
  const Tensor gate = ops::linear(ctx, ops::cast(ctx, x, DType::f32), gate_, DType::f32);
  return ops::sigmoid_gate(ctx, y, gate);
}

}  // namespace cadre::nn
