// OLMoE: many small experts; queries and keys normalised at full width.
// Muennighoff et al., "OLMoE: Open Mixture-of-Experts Language Models", arXiv:2409.02060.
#include "model/families/olmoe.h"

#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"

namespace cadre::model {
namespace {

// A key that is missing takes the class default of the reference, which for intermediate_size is
// not the published value (1024).
ModelSpec read_olmoe(const io::JsonView& config) {
  require_absent_or(config, "hidden_act", "silu");
  require_false(config, "attention_bias");
  require_null(config, "clip_qkv");
  const int64_t num_heads = config.integer_or("num_attention_heads", 16);
  ModelSpec spec;
  spec.architecture = kOlmoe.architecture;
  spec.vocab_size = config.integer_or("vocab_size", 50304);
  spec.hidden_size = config.integer_or("hidden_size", 2048);
  spec.max_positions = config.integer_or("max_position_embeddings", 4096);
  spec.rms_norm_eps = config.number_or("rms_norm_eps", 1e-5);
  spec.initializer_range = config.number_or("initializer_range", 0.02);
  spec.tied_embeddings = config.flag_or("tie_word_embeddings", false);
  spec.router_aux_loss_coef = config.number_or("router_aux_loss_coef", 0.01);
  spec.eos_token_id = token_id_or(config, "eos_token_id", 50279);
  spec.pad_token_id = token_id_or(config, "pad_token_id", 1);
  const BlockSpec block = {
      .attention = {.num_heads = num_heads,
                    .num_kv_heads = config.integer_or("num_key_value_heads", num_heads),
                    .head_dim = config.integer_or(
                        "head_dim", divide_heads(config, spec.hidden_size, num_heads)),
                    .rope = {.theta = rope_theta_or(config, 10000.0)},
                    .qk_norm = QkNorm::full_width},
      .feed_forward = MoeSpec{.router = {.num_experts = config.integer_or("num_experts", 64),
                                         .top_k = config.integer_or("num_experts_per_tok", 8),
                                         .renormalise = config.flag_or("norm_topk_prob", false)},
                              .expert = {config.integer_or("intermediate_size", 2048)}},
  };
  spec.blocks.assign(layer_count(config, "num_hidden_layers", 16), block);
  return spec;
}

void write_olmoe(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  const BlockSpec& block = spec.blocks.front();
  const auto& moe = std::get<MoeSpec>(block.feed_forward);
  write_common_config(kOlmoe, spec, dtype, json);
  json.set("attention_bias", false);
  json.set("clip_qkv", io::JsonValue());
  json.set("intermediate_size", moe.expert.intermediate_size);
  json.set("num_experts", moe.router.num_experts);
  json.set("num_experts_per_tok", moe.router.top_k);
  json.set("norm_topk_prob", moe.router.renormalise);
  json.set("output_router_logits", false);
  json.set("router_aux_loss_coef", spec.router_aux_loss_coef);
}

constexpr NameRule kNames[] = {
    {"embedding", Part::whole, "model.embed_tokens.weight"},
    {"blocks.{l}.attention_norm", Part::whole, "model.layers.{l}.input_layernorm.weight"},
    {"blocks.{l}.attention.query", Part::whole, "model.layers.{l}.self_attn.q_proj.weight"},
    {"blocks.{l}.attention.key", Part::whole, "model.layers.{l}.self_attn.k_proj.weight"},
    {"blocks.{l}.attention.value", Part::whole, "model.layers.{l}.self_attn.v_proj.weight"},
    {"blocks.{l}.attention.query_norm", Part::whole, "model.layers.{l}.self_attn.q_norm.weight"},
    {"blocks.{l}.attention.key_norm", Part::whole, "model.layers.{l}.self_attn.k_norm.weight"},
    {"blocks.{l}.attention.output", Part::whole, "model.layers.{l}.self_attn.o_proj.weight"},
    {"blocks.{l}.feed_forward_norm", Part::whole,
     "model.layers.{l}.post_attention_layernorm.weight"},
    {"blocks.{l}.router", Part::whole, "model.layers.{l}.mlp.gate.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_gate,
     "model.layers.{l}.mlp.experts.{e}.gate_proj.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_up,
     "model.layers.{l}.mlp.experts.{e}.up_proj.weight"},
    {"blocks.{l}.experts.down", Part::expert, "model.layers.{l}.mlp.experts.{e}.down_proj.weight"},
    {"norm", Part::whole, "model.norm.weight"},
    {"head", Part::whole, "lm_head.weight"},
};

// transformers 5 keeps experts packed in memory and may write them so.
constexpr NameRule kPackedNames[] = {
    {"embedding", Part::whole, "model.embed_tokens.weight"},
    {"blocks.{l}.attention_norm", Part::whole, "model.layers.{l}.input_layernorm.weight"},
    {"blocks.{l}.attention.query", Part::whole, "model.layers.{l}.self_attn.q_proj.weight"},
    {"blocks.{l}.attention.key", Part::whole, "model.layers.{l}.self_attn.k_proj.weight"},
    {"blocks.{l}.attention.value", Part::whole, "model.layers.{l}.self_attn.v_proj.weight"},
    {"blocks.{l}.attention.query_norm", Part::whole, "model.layers.{l}.self_attn.q_norm.weight"},
    {"blocks.{l}.attention.key_norm", Part::whole, "model.layers.{l}.self_attn.k_norm.weight"},
    {"blocks.{l}.attention.output", Part::whole, "model.layers.{l}.self_attn.o_proj.weight"},
    {"blocks.{l}.feed_forward_norm", Part::whole,
     "model.layers.{l}.post_attention_layernorm.weight"},
    {"blocks.{l}.router", Part::whole, "model.layers.{l}.mlp.gate.weight"},
    {"blocks.{l}.experts.gate_up", Part::whole, "model.layers.{l}.mlp.experts.gate_up_proj"},
    {"blocks.{l}.experts.down", Part::whole, "model.layers.{l}.mlp.experts.down_proj"},
    {"norm", Part::whole, "model.norm.weight"},
    {"head", Part::whole, "lm_head.weight"},
};

constexpr NameLayout kLayouts[] = {
    {"one tensor for each expert", kNames},
    {"experts packed", kPackedNames},
};

}  // namespace

const Family kOlmoe = {"OlmoeForCausalLM", "olmoe", read_olmoe, write_olmoe, kLayouts};

}  // namespace cadre::model
