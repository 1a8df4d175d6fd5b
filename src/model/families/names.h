// Names that tensors have in the files of many families, as lists that a family joins to its own.
// A rule for a tensor that a model does not have is harmless.
#pragma once

#include <array>
#include <cstddef>

#include "model/families/family.h"

namespace cadre::model {

// The rules of several lists, end to end.
template <size_t... kSizes>
constexpr std::array<NameRule, (kSizes + ...)> join(const NameRule (&... lists)[kSizes]) {
  std::array<NameRule, (kSizes + ...)> all{};
  size_t at = 0;
  const auto append = [&](const auto& list) {
    for (const NameRule& rule : list) all[at++] = rule;
  };
  (append(lists), ...);
  return all;
}

// Embedding, attention with its biases and norms, final norm, head.
inline constexpr NameRule kAttentionNames[] = {
    {"embedding", Part::whole, "model.embed_tokens.weight"},
    {"blocks.{l}.attention.query", Part::whole, "model.layers.{l}.self_attn.q_proj.weight"},
    {"blocks.{l}.attention.key", Part::whole, "model.layers.{l}.self_attn.k_proj.weight"},
    {"blocks.{l}.attention.value", Part::whole, "model.layers.{l}.self_attn.v_proj.weight"},
    {"blocks.{l}.attention.query_bias", Part::whole, "model.layers.{l}.self_attn.q_proj.bias"},
    {"blocks.{l}.attention.key_bias", Part::whole, "model.layers.{l}.self_attn.k_proj.bias"},
    {"blocks.{l}.attention.value_bias", Part::whole, "model.layers.{l}.self_attn.v_proj.bias"},
    {"blocks.{l}.attention.query_norm", Part::whole, "model.layers.{l}.self_attn.q_norm.weight"},
    {"blocks.{l}.attention.key_norm", Part::whole, "model.layers.{l}.self_attn.k_norm.weight"},
    {"blocks.{l}.attention.output", Part::whole, "model.layers.{l}.self_attn.o_proj.weight"},
    {"blocks.{l}.attention.output_bias", Part::whole, "model.layers.{l}.self_attn.o_proj.bias"},
    {"norm", Part::whole, "model.norm.weight"},
    {"head", Part::whole, "lm_head.weight"},
};

// Norms before attention and before the feed-forward part.
inline constexpr NameRule kPreNormNames[] = {
    {"blocks.{l}.attention_norm", Part::whole, "model.layers.{l}.input_layernorm.weight"},
    {"blocks.{l}.feed_forward_norm", Part::whole,
     "model.layers.{l}.post_attention_layernorm.weight"},
};

inline constexpr NameRule kMlpNames[] = {
    {"blocks.{l}.mlp.gate_up", Part::gate, "model.layers.{l}.mlp.gate_proj.weight"},
    {"blocks.{l}.mlp.gate_up", Part::up, "model.layers.{l}.mlp.up_proj.weight"},
    {"blocks.{l}.mlp.gate_up_bias", Part::gate, "model.layers.{l}.mlp.gate_proj.bias"},
    {"blocks.{l}.mlp.gate_up_bias", Part::up, "model.layers.{l}.mlp.up_proj.bias"},
    {"blocks.{l}.mlp.down", Part::whole, "model.layers.{l}.mlp.down_proj.weight"},
    {"blocks.{l}.mlp.down_bias", Part::whole, "model.layers.{l}.mlp.down_proj.bias"},
};

// A mixture with one tensor for each expert.
inline constexpr NameRule kExpertNames[] = {
    {"blocks.{l}.router", Part::whole, "model.layers.{l}.mlp.gate.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_gate,
     "model.layers.{l}.mlp.experts.{e}.gate_proj.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_up,
     "model.layers.{l}.mlp.experts.{e}.up_proj.weight"},
    {"blocks.{l}.experts.down", Part::expert, "model.layers.{l}.mlp.experts.{e}.down_proj.weight"},
};

// The same as transformers 5 keeps it in memory and may write it.
inline constexpr NameRule kPackedExpertNames[] = {
    {"blocks.{l}.router", Part::whole, "model.layers.{l}.mlp.gate.weight"},
    {"blocks.{l}.experts.gate_up", Part::whole, "model.layers.{l}.mlp.experts.gate_up_proj"},
    {"blocks.{l}.experts.down", Part::whole, "model.layers.{l}.mlp.experts.down_proj"},
};

}  // namespace cadre::model
