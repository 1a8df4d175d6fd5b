#include "model/gguf/architecture.h"

#include <algorithm>
#include <array>

namespace cadre::model::gguf {
namespace {

constexpr std::array kArchitectures = {
    Architecture{.name = "llama",
                 .dense = "LlamaForCausalLM",
                 .sparse = "MixtralForCausalLM",
                 .renormalise = true},
    Architecture{
        .name = "olmoe", .dense = "", .sparse = "OlmoeForCausalLM", .qk_norm = QkNorm::full_width},
    Architecture{.name = "olmo2",
                 .dense = "Olmo2ForCausalLM",
                 .sparse = "",
                 .qk_norm = QkNorm::full_width,
                 .norm = NormPlacement::after},
    Architecture{
        .name = "qwen2moe", .dense = "", .sparse = "Qwen2MoeForCausalLM", .sigmoid_shared = true},
    Architecture{.name = "arctic",
                 .dense = "",
                 .sparse = "ArcticForCausalLM",
                 .renormalise = true,
                 .residual_mlp = true},
};

}  // namespace

const Architecture* find_architecture(std::string_view name) {
  const auto* found = std::ranges::find(kArchitectures, name, &Architecture::name);
  return found == kArchitectures.end() ? nullptr : found;
}

const Architecture* find_architecture_of(std::string_view hf) {
  if (hf == "MistralForCausalLM") return find_architecture("llama");
  for (const Architecture& architecture : kArchitectures) {
    if (!hf.empty() && (hf == architecture.dense || hf == architecture.sparse)) {
      return &architecture;
    }
  }
  return nullptr;
}

BlockSpec block_of(const Architecture& architecture, const BlockNumbers& numbers,
                   int64_t hidden_size) {
  BlockSpec block;
  block.norm = architecture.norm;
  AttentionSpec& attention = block.attention;
  attention.num_heads = numbers.num_heads;
  attention.num_kv_heads = numbers.num_kv_heads;
  attention.head_dim = numbers.head_dim;
  attention.rope.theta = numbers.rope_theta;
  if (numbers.rope_factor != 1.0) {
    attention.rope.scaling.kind = RopeScalingKind::linear;
    attention.rope.scaling.factor = numbers.rope_factor;
  }
  attention.qk_norm = architecture.qk_norm;
  attention.window = numbers.window;
  attention.qkv_bias = numbers.qkv_bias;
  attention.output_bias = numbers.output_bias;
  if (architecture.residual_mlp) block.residual_mlp = MlpSpec{hidden_size};
  if (numbers.num_experts == 0) {
    block.feed_forward = MlpSpec{numbers.width};
    return block;
  }
  MoeSpec moe;
  moe.router.num_experts = numbers.num_experts;
  moe.router.top_k = numbers.top_k;
  moe.router.renormalise = architecture.renormalise;
  moe.expert.intermediate_size = numbers.width;
  moe.shared.intermediate_size = numbers.shared_width;
  moe.shared.sigmoid_gate = numbers.shared_width > 0 && architecture.sigmoid_shared;
  block.feed_forward = moe;
  return block;
}

BlockNumbers numbers_of(const BlockSpec& block) {
  const AttentionSpec& attention = block.attention;
  BlockNumbers numbers = {.num_heads = attention.num_heads,
                          .num_kv_heads = attention.num_kv_heads,
                          .head_dim = attention.head_dim,
                          .rope_theta = attention.rope.theta,
                          .rope_factor = attention.rope.scaling.factor,
                          .window = attention.window,
                          .qkv_bias = attention.qkv_bias,
                          .output_bias = attention.output_bias};
  if (const auto* moe = std::get_if<MoeSpec>(&block.feed_forward)) {
    numbers.num_experts = moe->router.num_experts;
    numbers.top_k = moe->router.top_k;
    numbers.width = moe->expert.intermediate_size;
    numbers.shared_width = moe->shared.intermediate_size;
  } else {
    numbers.width = std::get<MlpSpec>(block.feed_forward).intermediate_size;
  }
  return numbers;
}

}  // namespace cadre::model::gguf
