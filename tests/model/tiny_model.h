// A tiny random OLMoE-style model for property tests.
#pragma once

#include <memory>

#include "model/decoder.h"

namespace cadre {

inline model::ModelSpec tiny_spec(int64_t num_experts = 6, int64_t top_k = 2) {
  const model::BlockSpec block = {
      .attention = {.num_heads = 4,
                    .num_kv_heads = 2,
                    .head_dim = 8,
                    .rope = {.theta = 10000.0},
                    .qk_norm = model::QkNorm::full_width},
      .feed_forward = model::MoeSpec{.router = {.num_experts = num_experts, .top_k = top_k},
                                     .expert = {.intermediate_size = 24}},
  };
  model::ModelSpec spec;
  spec.architecture = "OlmoeForCausalLM";
  spec.vocab_size = 61;
  spec.hidden_size = 32;
  spec.max_positions = 512;
  spec.initializer_range = 0.3;
  spec.blocks.assign(2, block);
  return spec;
}

// Random parameters of the spec in f32 or bf16.
inline std::shared_ptr<model::Parameters> random_parameters(Context& ctx,
                                                            const model::ModelSpec& spec,
                                                            DType compute, uint64_t seed) {
  auto parameters = std::make_shared<model::Parameters>(ctx, spec, compute);
  for (int64_t p = 0; p < parameters->size(); ++p) {
    const Tensor& target = parameters->tensor(p);
    const model::ParameterSpec& parameter = parameters->specs()[static_cast<size_t>(p)];
    const Tensor values = ctx.empty(target.shape(), DType::f32);
    model::initialise(ctx, spec, parameter, seed, values);
    ctx.kernels().cast({values.raw(), DType::f32, target.raw(), target.dtype()},
                       {0, target.elements()});
  }
  return parameters;
}

}  // namespace cadre
