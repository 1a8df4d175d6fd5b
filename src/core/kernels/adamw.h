// One step of AdamW on a run of elements, everything in f32:
//
//   g = gradient * gradient_scale
//   m = beta1 * m + (1 - beta1) * g;   v = beta2 * v + (1 - beta2) * g^2
//   w = w * (1 - lr * weight_decay) - lr * (m / correction1) / (sqrt(v / correction2) + eps)
//
// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101; correction_i =
// 1 - beta_i^step. Every table rounds the same operations in the same order, so a step has the same
// bits on every processor. The result is also written to `copy` in its type, unless that is null.
// One pass over memory: the step is bound by bandwidth, so the fast versions stream.
#pragma once

#include <cstdint>

#include "core/base/range.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {

struct AdamWArgs {
  float* weight;
  const float* gradient;
  float* m;
  float* v;
  void* copy;  // bf16 or f32; null if there is none
  DType copy_type;
  float gradient_scale;
  float learning_rate;
  float beta1;
  float beta2;
  float eps;
  float weight_decay;
  float correction1;
  float correction2;
};
using AdamWFn = void(const AdamWArgs& args, Range elements) noexcept;

}  // namespace cadre::kernels
