#include "model/nn/norm.h"

#include "core/ops/rms_norm.h"
#include "core/ops/rows.h"

namespace cadre::nn {

Norm::Norm(const std::string& name, const model::ModelSpec& model,
           const model::Parameters& parameters)
    : compute_(parameters.compute()), eps_(static_cast<float>(model.rms_norm_eps)) {
  if (model.norm == model::NormKind::rms) weight_ = parameters.tensor(name);
}

Tensor Norm::forward(Context& ctx, const Tensor& x) const {
  if (!weight_.defined()) return ops::layer_norm(ctx, x, eps_, compute_);
  return ops::rms_norm(ctx, x, weight_, eps_, compute_);
}

}  // namespace cadre::nn
