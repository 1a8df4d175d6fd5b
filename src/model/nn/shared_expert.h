// The expert of a mixture layer that every token meets, beside those that the router chooses:
//
//   y = down(silu(gate x) * up x),   with a gate of its own   y * sigmoid(<w, x>)
//
// Dai et al., "DeepSeekMoE", arXiv:2401.06066; the gate is that of Qwen2-MoE, arXiv:2407.10671.
#pragma once

#include "core/ops/context.h"
#include "model/nn/mlp.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::nn {

// Immutable; holds handles to weights.
class SharedExpert {
 public:
  SharedExpert(const model::SharedExpertSpec& spec, int64_t layer,
               const model::Parameters& parameters);

  // x is [N, D] in the compute type, as is the result. The gate runs in f32.
  Tensor forward(Context& ctx, const Tensor& x) const;

 private:
  Mlp mlp_;
  Tensor gate_;  // [1, D] f32; undefined without
};

}  // namespace cadre::nn
