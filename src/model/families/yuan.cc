// Yuan 2.0: attention over locally filtered queries and keys; in M32 a mixture whose experts attend
// to each other in the router. Wu et al., "YUAN 2.0", arXiv:2311.15786, and "Yuan 2.0-M32",
// arXiv:2405.17976.
//
// What a file stores as q_proj and k_proj are the two halves of one fused projection in which each
// head's query is followed by its key: heads of the first half have both in q_proj, the others in
// k_proj (Part::turns_*).
#include "model/families/yuan.h"

#include <array>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"

namespace cadre::model {
namespace {

using ops::RopePrecision;

// The norm behind the filter has this eps in the reference, whatever rms_norm_eps says.
constexpr double kFilterEps = 1e-6;

// Values of rotary_precision, a key of ours: published configurations say nothing about it.
constexpr std::array kPrecisions = {
    std::pair{"fp32", RopePrecision::f32},
    std::pair{"bf16_freq", RopePrecision::bf16_frequency},
    std::pair{"bf16_all", RopePrecision::bf16},
};

RopePrecision precision_of(const io::JsonView& config) {
  const std::string name = config.string_or("rotary_precision", kPrecisions.front().first);
  for (const auto& [known, precision] : kPrecisions) {
    if (name == known) return precision;
  }
  fail(ErrorKind::invalid_input, "{} is \"{}\", expected fp32, bf16_freq or bf16_all",
       config.at("rotary_precision").where(), name);
}

const char* name_of(RopePrecision precision) {
  for (const auto& [name, known] : kPrecisions) {
    if (precision == known) return name;
  }
  return kPrecisions.front().first;
}

// Of each head the first hidden_size / num_heads elements turn, and heads may be wider than that.
AttentionSpec read_attention(const io::JsonView& config, int64_t hidden_size) {
  require_false(config, "use_shareqk");
  require_false(config, "use_yarn");
  if (!config.flag_or("causal_mask", true)) {
    fail(ErrorKind::unsupported, "{}: false is not supported", config.at("causal_mask").where());
  }
  const int64_t num_heads = config.integer_or("num_attention_heads", 32);
  const int64_t width = config.integer_or("attention_projection_size", hidden_size);
  AttentionSpec spec;
  spec.num_heads = num_heads;
  spec.num_kv_heads = num_heads;
  spec.head_dim = divide_heads(config, width, num_heads);
  spec.rope.theta = config.number_or("rotary_base", 10000.0);
  spec.rope.precision = precision_of(config);
  if (const int64_t turning = divide_heads(config, hidden_size, num_heads);
      turning != spec.head_dim) {
    spec.rope.rotary_dim = turning;
  }
  spec.filter = LocalFilterSpec{.inner_size = hidden_size / 2, .eps = kFilterEps};
  return spec;
}

std::variant<MoeSpec, MlpSpec> read_feed_forward(const io::JsonView& config) {
  const int64_t width = config.integer_or("intermediate_size", 8192);
  const bool described = !config.is_null("moe_config") &&
                         config.object("moe_config").integer_or("moe_num_experts", 0) > 0;
  if (!described || !config.flag_or("use_moe", true)) {
    if (!described && config.flag_or("use_moe", false)) {
      fail(ErrorKind::invalid_input, "{}use_moe is true, expected a moe_config with experts",
           config.where());
    }
    return MlpSpec{width};
  }
  const io::JsonView moe = config.object("moe_config");
  if (!moe.flag_or("gated_linear_unit", true)) {
    fail(ErrorKind::unsupported, "{}: false is not supported", moe.at("gated_linear_unit").where());
  }
  return MoeSpec{.router = {.num_experts = moe.integer("moe_num_experts"),
                            .top_k = moe.integer_or("moe_top_k", 2),
                            .renormalise = moe.flag_or("norm_topk_prob", true),
                            .kind = RouterKind::attention},
                 .expert = {moe.integer_or("ffn_hidden_size", width)}};
}

// A key that is missing takes the class default of the reference, as far as it is known.
constexpr ClassDefaults kDefaults = {.vocab_size = 135040,
                                     .hidden_size = 2048,
                                     .num_layers = 24,
                                     .max_positions = 4096,
                                     .bos_token_id = 77185,
                                     .eos_token_id = 77185,
                                     .pad_token_id = 77185};

ModelSpec read_yuan(const io::JsonView& config) {
  ModelSpec spec = read_common(kYuan, config, kDefaults);
  spec.tied_embeddings = config.flag_or("tie_word_embeddings", true);
  if (spec.hidden_size % 2 != 0) {
    fail(ErrorKind::invalid_input, "{}hidden_size = {}, expected an even number for local filters",
         config.where(), spec.hidden_size);
  }
  const BlockSpec block = {.attention = read_attention(config, spec.hidden_size),
                           .feed_forward = read_feed_forward(config)};
  spec.blocks.assign(layer_count(config, "num_hidden_layers", kDefaults.num_layers), block);
  return spec;
}

io::JsonValue moe_config(const MoeSpec* moe) {
  io::JsonValue json = io::JsonValue::object();
  json.set("moe_num_experts", moe != nullptr ? moe->router.num_experts : 0);
  if (moe == nullptr) return json;
  json.set("moe_top_k", moe->router.top_k);
  json.set("norm_topk_prob", moe->router.renormalise);
  json.set("ffn_hidden_size", moe->expert.intermediate_size);
  json.set("gated_linear_unit", true);
  return json;
}

// Refuses a spec whose numbers the configuration has no key for.
void check_writable(const ModelSpec& spec) {
  const AttentionSpec& attention = spec.blocks.front().attention;
  bool alike =
      attention.filter == LocalFilterSpec{.inner_size = spec.hidden_size / 2, .eps = kFilterEps} &&
      attention.rotary_dim() * attention.num_heads == spec.hidden_size &&
      attention.num_kv_heads == attention.num_heads;
  for (const BlockSpec& block : spec.blocks) alike = alike && block == spec.blocks.front();
  if (!alike) {
    fail(ErrorKind::unsupported,
         "a Yuan configuration cannot describe this model: layers are alike, heads are not "
         "grouped, hidden_size / num_heads elements of each turn, and filters are hidden_size / 2 "
         "wide");
  }
}

void write_yuan(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  check_writable(spec);
  write_common_config(kYuan, spec, dtype, json);
  const AttentionSpec& attention = spec.blocks.front().attention;
  const auto* moe = std::get_if<MoeSpec>(&spec.blocks.front().feed_forward);
  json.set("attention_projection_size", attention.num_heads * attention.head_dim);
  json.set("rotary_base", attention.rope.theta);
  json.set("rotary_precision", name_of(attention.rope.precision));
  json.set("intermediate_size",
           moe != nullptr ? moe->expert.intermediate_size
                          : std::get<MlpSpec>(spec.blocks.front().feed_forward).intermediate_size);
  json.set("moe_config", moe_config(moe));
  json.set("use_moe", moe != nullptr);
  json.set("causal_mask", true);
  json.set("use_flash_attention", false);
  json.set("use_shareqk", false);
  json.set("use_loss_mask", false);
  json.set("reset_attention_mask", false);
  json.set("reset_position_ids", false);
  json.set("eod_token", spec.eos_token_id);
  json.set("output_router_logits", false);
  json.set("router_aux_loss_coef", spec.router_aux_loss_coef);
}

// M32, by the keys that its code reads.
constexpr const char* kPublished = R"({
  "vocab_size": 135040, "hidden_size": 2048, "attention_projection_size": 4096,
  "num_attention_heads": 16, "num_hidden_layers": 24, "intermediate_size": 8192, "use_moe": true,
  "moe_config": {"moe_num_experts": 32, "moe_top_k": 2, "norm_topk_prob": true,
                 "ffn_hidden_size": 8192, "gated_linear_unit": true},
  "max_position_embeddings": 16384, "rms_norm_eps": 1e-6, "tie_word_embeddings": true})";

constexpr NameRule kNames[] = {
    {"embedding", Part::whole, "model.embed_tokens.weight"},
    {"blocks.{l}.attention_norm", Part::whole, "model.layers.{l}.input_layernorm.weight"},
    {"blocks.{l}.attention.filter.first", Part::taps_last,
     "model.layers.{l}.self_attn.lf_gate.conv1.weight"},
    {"blocks.{l}.attention.filter.first_bias", Part::whole,
     "model.layers.{l}.self_attn.lf_gate.conv1.bias"},
    {"blocks.{l}.attention.filter.second", Part::taps_last,
     "model.layers.{l}.self_attn.lf_gate.conv2.weight"},
    {"blocks.{l}.attention.filter.second_bias", Part::whole,
     "model.layers.{l}.self_attn.lf_gate.conv2.bias"},
    {"blocks.{l}.attention.filter.norm", Part::whole,
     "model.layers.{l}.self_attn.lf_gate.output_layernorm.weight"},
    {"blocks.{l}.attention.query", Part::turns_query_first,
     "model.layers.{l}.self_attn.q_proj.weight"},
    {"blocks.{l}.attention.query", Part::turns_query_second,
     "model.layers.{l}.self_attn.k_proj.weight"},
    {"blocks.{l}.attention.key", Part::turns_key_first, "model.layers.{l}.self_attn.q_proj.weight"},
    {"blocks.{l}.attention.key", Part::turns_key_second,
     "model.layers.{l}.self_attn.k_proj.weight"},
    {"blocks.{l}.attention.value", Part::whole, "model.layers.{l}.self_attn.v_proj.weight"},
    {"blocks.{l}.attention.output", Part::whole, "model.layers.{l}.self_attn.o_proj.weight"},
    {"blocks.{l}.feed_forward_norm", Part::whole,
     "model.layers.{l}.post_attention_layernorm.weight"},
    {"blocks.{l}.router", Part::router_query, "model.layers.{l}.mlp.gate.query.weight"},
    {"blocks.{l}.router", Part::router_key, "model.layers.{l}.mlp.gate.key.weight"},
    {"blocks.{l}.router", Part::router_value, "model.layers.{l}.mlp.gate.value.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert, "model.layers.{l}.mlp.experts.{e}.w1.weight"},
    {"blocks.{l}.experts.down", Part::expert, "model.layers.{l}.mlp.experts.{e}.w2.weight"},
    // In the dense models the activation sits on up_proj.
    {"blocks.{l}.mlp.gate_up", Part::gate, "model.layers.{l}.mlp.up_proj.weight"},
    {"blocks.{l}.mlp.gate_up", Part::up, "model.layers.{l}.mlp.gate_proj.weight"},
    {"blocks.{l}.mlp.down", Part::whole, "model.layers.{l}.mlp.down_proj.weight"},
    {"norm", Part::whole, "model.norm.weight"},
    {"head", Part::whole, "lm_head.weight"},
};

constexpr NameLayout kLayouts[] = {{"one tensor for each expert", kNames}};

}  // namespace

const Family kYuan = {.architecture = "YuanForCausalLM",
                      .model_type = "yuan",
                      .read_config = read_yuan,
                      .write_config = write_yuan,
                      .layouts = kLayouts,
                      .published = kPublished,
                      .stores_tied_head = true};

}  // namespace cadre::model
