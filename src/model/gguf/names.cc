#include "model/gguf/names.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace cadre::model::gguf {
namespace {

template <size_t... sizes>
constexpr auto joined(const std::array<NameRule, sizes>&... lists) {
  std::array<NameRule, (sizes + ...)> all{};
  auto* next = all.data();
  ((next = std::copy(lists.begin(), lists.end(), next)), ...);
  return all;
}

constexpr std::array kAround = {
    NameRule{"embedding", Part::whole, "token_embd.weight"},
    NameRule{"norm", Part::whole, "output_norm.weight"},
    NameRule{"head", Part::whole, "output.weight"},
    NameRule{"blocks.{l}.attention.value", Part::whole, "blk.{l}.attn_v.weight"},
    NameRule{"blocks.{l}.attention.value_bias", Part::whole, "blk.{l}.attn_v.bias"},
    NameRule{"blocks.{l}.attention.query_norm", Part::whole, "blk.{l}.attn_q_norm.weight"},
    NameRule{"blocks.{l}.attention.key_norm", Part::whole, "blk.{l}.attn_k_norm.weight"},
    NameRule{"blocks.{l}.attention.output", Part::whole, "blk.{l}.attn_output.weight"},
    NameRule{"blocks.{l}.attention.output_bias", Part::whole, "blk.{l}.attn_output.bias"},
    NameRule{"blocks.{l}.router", Part::whole, "blk.{l}.ffn_gate_inp.weight"},
};

constexpr std::array kNormsBefore = {
    NameRule{"blocks.{l}.attention_norm", Part::whole, "blk.{l}.attn_norm.weight"},
    NameRule{"blocks.{l}.feed_forward_norm", Part::whole, "blk.{l}.ffn_norm.weight"},
};

constexpr std::array kNormsAfter = {
    NameRule{"blocks.{l}.attention_norm", Part::whole, "blk.{l}.post_attention_norm.weight"},
    NameRule{"blocks.{l}.feed_forward_norm", Part::whole, "blk.{l}.post_ffw_norm.weight"},
};

// Arctic: ffn_norm is that of the residual MLP.
constexpr std::array kHybrid = {
    NameRule{"blocks.{l}.attention_norm", Part::whole, "blk.{l}.attn_norm.weight"},
    NameRule{"blocks.{l}.residual_norm", Part::whole, "blk.{l}.ffn_norm.weight"},
    NameRule{"blocks.{l}.residual_mlp.gate_up", Part::gate, "blk.{l}.ffn_gate.weight"},
    NameRule{"blocks.{l}.residual_mlp.gate_up", Part::up, "blk.{l}.ffn_up.weight"},
    NameRule{"blocks.{l}.residual_mlp.down", Part::whole, "blk.{l}.ffn_down.weight"},
    NameRule{"blocks.{l}.feed_forward_norm", Part::whole, "blk.{l}.ffn_norm_exps.weight"},
};

constexpr std::array kHalvesTurn = {
    NameRule{"blocks.{l}.attention.query", Part::whole, "blk.{l}.attn_q.weight"},
    NameRule{"blocks.{l}.attention.key", Part::whole, "blk.{l}.attn_k.weight"},
    NameRule{"blocks.{l}.attention.query_bias", Part::whole, "blk.{l}.attn_q.bias"},
    NameRule{"blocks.{l}.attention.key_bias", Part::whole, "blk.{l}.attn_k.bias"},
};

constexpr std::array kPairsTurn = {
    NameRule{"blocks.{l}.attention.query", Part::rope_pairs, "blk.{l}.attn_q.weight"},
    NameRule{"blocks.{l}.attention.key", Part::rope_pairs, "blk.{l}.attn_k.weight"},
    NameRule{"blocks.{l}.attention.query_bias", Part::rope_pairs, "blk.{l}.attn_q.bias"},
    NameRule{"blocks.{l}.attention.key_bias", Part::rope_pairs, "blk.{l}.attn_k.bias"},
};

constexpr std::array kDense = {
    NameRule{"blocks.{l}.mlp.gate_up", Part::gate, "blk.{l}.ffn_gate.weight"},
    NameRule{"blocks.{l}.mlp.gate_up", Part::up, "blk.{l}.ffn_up.weight"},
    NameRule{"blocks.{l}.mlp.down", Part::whole, "blk.{l}.ffn_down.weight"},
};

constexpr std::array kStacked = {
    NameRule{"blocks.{l}.experts.gate_up", Part::experts_gate, "blk.{l}.ffn_gate_exps.weight"},
    NameRule{"blocks.{l}.experts.gate_up", Part::experts_up, "blk.{l}.ffn_up_exps.weight"},
    NameRule{"blocks.{l}.experts.down", Part::whole, "blk.{l}.ffn_down_exps.weight"},
};

constexpr std::array kOneByOne = {
    NameRule{"blocks.{l}.experts.gate_up", Part::expert_gate, "blk.{l}.ffn_gate.{e}.weight"},
    NameRule{"blocks.{l}.experts.gate_up", Part::expert_up, "blk.{l}.ffn_up.{e}.weight"},
    NameRule{"blocks.{l}.experts.down", Part::expert, "blk.{l}.ffn_down.{e}.weight"},
};

constexpr std::array kShared = {
    NameRule{"blocks.{l}.shared_expert.gate_up", Part::gate, "blk.{l}.ffn_gate_shexp.weight"},
    NameRule{"blocks.{l}.shared_expert.gate_up", Part::up, "blk.{l}.ffn_up_shexp.weight"},
    NameRule{"blocks.{l}.shared_expert.down", Part::whole, "blk.{l}.ffn_down_shexp.weight"},
    NameRule{"blocks.{l}.shared_expert_gate", Part::row, "blk.{l}.ffn_gate_inp_shexp.weight"},
};

constexpr auto kLlama = joined(kAround, kNormsBefore, kPairsTurn, kDense, kStacked);
constexpr auto kLlamaOld = joined(kAround, kNormsBefore, kPairsTurn, kDense, kOneByOne);
constexpr auto kOlmoe = joined(kAround, kNormsBefore, kHalvesTurn, kStacked);
constexpr auto kOlmo2 = joined(kAround, kNormsAfter, kHalvesTurn, kDense);
constexpr auto kQwen2Moe = joined(kAround, kNormsBefore, kHalvesTurn, kStacked, kShared);
constexpr auto kArctic = joined(kAround, kHybrid, kPairsTurn, kStacked);

constexpr NameLayout kLlamaLayouts[] = {{"experts stacked", kLlama},
                                        {"one tensor for each expert", kLlamaOld}};
constexpr NameLayout kOlmoeLayouts[] = {{"experts stacked", kOlmoe}};
constexpr NameLayout kOlmo2Layouts[] = {{"dense", kOlmo2}};
constexpr NameLayout kQwen2MoeLayouts[] = {{"experts stacked", kQwen2Moe}};
constexpr NameLayout kArcticLayouts[] = {{"experts stacked", kArctic}};

}  // namespace

std::span<const NameLayout> layouts(std::string_view architecture) {
  if (architecture == "llama") return kLlamaLayouts;
  if (architecture == "olmoe") return kOlmoeLayouts;
  if (architecture == "olmo2") return kOlmo2Layouts;
  if (architecture == "qwen2moe") return kQwen2MoeLayouts;
  if (architecture == "arctic") return kArcticLayouts;
  return {};
}

std::string_view known_architectures() { return "llama, olmoe, olmo2, qwen2moe, arctic"; }

}  // namespace cadre::model::gguf
