#include "train/optim/adamw.h"

#include <cmath>
#include <utility>

namespace cadre::train {
namespace {

// Long enough that fetching ahead, which begins anew with each block, is seldom waited for.
constexpr int64_t kBlock = 1 << 16;

}  // namespace

AdamW::AdamW(Context& ctx, std::shared_ptr<const model::Parameters> parameters,
             AdamWOptions options)
    : parameters_(std::move(parameters)),
      options_(options),
      blocks_(parameter_blocks(*parameters_, kBlock)) {
  for (int64_t i = 0; i < parameters_->size(); ++i) {
    const Tensor& parameter = parameters_->tensor(i);
    const bool own_master = parameter.dtype() == DType::f32;
    masters_.push_back(own_master ? parameter : ctx.empty(parameter.shape(), DType::f32));
    m_.push_back(ctx.zeros(parameter.shape(), DType::f32));
    v_.push_back(ctx.zeros(parameter.shape(), DType::f32));
  }
}

void AdamW::step(Context& ctx, const Gradients& gradients, double learning_rate,
                 double gradient_scale) {
  CADRE_CHECK(gradients.size() == parameters_->size());
  ++steps_;
  const auto count = static_cast<double>(steps_);
  kernels::AdamWArgs common = {};
  common.gradient_scale = static_cast<float>(gradient_scale);
  common.learning_rate = static_cast<float>(learning_rate);
  common.beta1 = static_cast<float>(options_.beta1);
  common.beta2 = static_cast<float>(options_.beta2);
  common.eps = static_cast<float>(options_.eps);
  common.correction1 = static_cast<float>(1.0 - std::pow(options_.beta1, count));
  common.correction2 = static_cast<float>(1.0 - std::pow(options_.beta2, count));
  ctx.pool().run(static_cast<int64_t>(blocks_.size()), [&](int64_t task, int) {
    const auto& [index, elements] = blocks_[static_cast<size_t>(task)];
    const model::ParameterSpec& spec = parameters_->specs()[static_cast<size_t>(index)];
    if (spec.kind == model::ParameterKind::buffer) return;
    const bool decays = options_.decay_norms_and_embeddings ||
                        (spec.shape.rank() > 1 && spec.kind != model::ParameterKind::embedding);
    const Tensor& parameter = parameters_->tensor(index);
    const bool own_master = parameter.dtype() == DType::f32;
    kernels::AdamWArgs args = common;
    args.weight = master(index).data<float>();
    args.gradient = gradients.tensor(index).data<float>();
    args.m = m(index).data<float>();
    args.v = v(index).data<float>();
    args.copy = own_master ? nullptr : parameter.raw();
    args.copy_type = parameter.dtype();
    args.weight_decay = decays ? static_cast<float>(options_.weight_decay) : 0.0f;
    ctx.kernels().adamw(args, elements);
  });
}

void AdamW::publish(Context& ctx) {
  ctx.pool().run(static_cast<int64_t>(blocks_.size()), [&](int64_t task, int) {
    const auto& [index, elements] = blocks_[static_cast<size_t>(task)];
    const Tensor& parameter = parameters_->tensor(index);
    if (parameter.dtype() == DType::f32) return;
    ctx.kernels().cast({master(index).raw(), DType::f32, parameter.raw(), parameter.dtype()},
                       elements);
  });
}

}  // namespace cadre::train
