// DeepSeekMoE: fine-grained experts beside shared ones that every token meets; the first layers are
// dense. Plain attention, as in the first version.
// Dai et al., "DeepSeekMoE", arXiv:2401.06066.
#include "model/families/deepseek.h"

#include <variant>
#include <vector>

#include "core/base/error.h"
#include "core/io/json.h"
#include "core/tensor/dtype.h"
#include "model/families/config.h"
#include "model/families/names.h"

namespace cadre::model {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;

constexpr ClassDefaults kDefaults = {
    .vocab_size = 102400, .num_layers = 30, .bos_token_id = 100000, .eos_token_id = 100001};

void refuse_later_versions(const io::JsonView& config) {
  require_absent_or(config, "scoring_func", "softmax");
  require_absent_or(config, "topk_method", "greedy");
  if (config.number_or("routed_scaling_factor", 1.0) != 1.0) {
    fail(ErrorKind::unsupported, "{} is {}, only 1 is supported",
         config.at("routed_scaling_factor").where(), config.number("routed_scaling_factor"));
  }
}

MoeSpec read_mixture(const io::JsonView& config) {
  const int64_t width = config.integer_or("moe_intermediate_size", 1407);
  const int64_t shared = config.integer_or("n_shared_experts", 0);
  if (width < 0 || shared < 0 || width > kMaxWidth || shared > kMaxWidth) {
    fail(ErrorKind::invalid_input,
         "{}: n_shared_experts = {} and moe_intermediate_size = {}, expected 0 to {}",
         config.where(), shared, width, kMaxWidth);
  }
  const int64_t top_k = config.integer("num_experts_per_tok");
  return {.router = {.num_experts = config.integer("n_routed_experts"),
                     .top_k = top_k,
                     // The reference does not rescale a single weight, which would become one.
                     .renormalise = top_k > 1 && config.flag_or("norm_topk_prob", false)},
          .expert = {width},
          .shared = {.intermediate_size = shared * width}};
}

ModelSpec read_deepseek(const io::JsonView& config) {
  refuse_later_versions(config);
  ModelSpec spec = read_common(kDeepseek, config, kDefaults);
  spec.router_aux_loss_coef = config.number_or("aux_loss_alpha", 0.001);
  const size_t num_layers = layer_count(config, "num_hidden_layers", kDefaults.num_layers);
  const int64_t first = config.integer_or("first_k_dense_replace", 0);
  const int64_t every = config.integer_or("moe_layer_freq", 1);
  if (every < 1) {
    fail(ErrorKind::invalid_input, "{}: moe_layer_freq = {}, expected at least 1", config.where(),
         every);
  }
  BlockSpec dense = {.attention = read_attention(config, spec, kDefaults),
                     .feed_forward = MlpSpec{config.integer_or("intermediate_size", 11008)}};
  read_attention_bias(config, "attention_bias", dense.attention);
  BlockSpec sparse = dense;
  const bool any = !config.is_null("n_routed_experts");
  if (any) sparse.feed_forward = read_mixture(config);
  for (int64_t layer = 0; layer < static_cast<int64_t>(num_layers); ++layer) {
    spec.blocks.push_back(any && layer >= first && layer % every == 0 ? sparse : dense);
  }
  return spec;
}

// The first layer with a mixture, the distance to the next, and what the two kinds of layers are.
struct Layers {
  int64_t first = 0;
  int64_t every = 1;
  MlpSpec dense;
  MoeSpec moe;
};

Layers describe(const ModelSpec& spec) {
  Layers layers;
  std::vector<int64_t> sparse;
  for (int64_t layer = 0; layer < spec.num_layers(); ++layer) {
    const auto& part = spec.blocks[static_cast<size_t>(layer)].feed_forward;
    if (const auto* moe = std::get_if<MoeSpec>(&part)) {
      layers.moe = *moe;
      sparse.push_back(layer);
    } else {
      layers.dense = std::get<MlpSpec>(part);
    }
  }
  layers.first = sparse.empty() ? spec.num_layers() : sparse.front();
  if (sparse.size() > 1) layers.every = sparse[1] - sparse[0];
  // One mixture behind dense layers: its own index is a frequency that fits, the first layer's is
  // 0.
  if (sparse.size() == 1 && layers.first + 1 < spec.num_layers()) {
    layers.every = layers.first > 0 ? layers.first : spec.num_layers();
  }
  return layers;
}

void write_deepseek(const ModelSpec& spec, DType dtype, io::JsonValue& json) {
  const Layers layers = describe(spec);
  const int64_t width = layers.moe.expert.intermediate_size;
  write_common_config(kDeepseek, spec, dtype, json);
  json.set("attention_bias", spec.blocks.front().attention.qkv_bias);
  json.set("intermediate_size",
           layers.dense.intermediate_size > 0 ? layers.dense.intermediate_size : width);
  json.set("first_k_dense_replace", layers.first);
  json.set("moe_layer_freq", layers.every);
  json.set("n_routed_experts", integer_or_null(layers.moe.router.num_experts));
  json.set("num_experts_per_tok", integer_or_null(layers.moe.router.top_k));
  json.set("moe_intermediate_size", width);
  json.set("n_shared_experts",
           integer_or_null(width > 0 ? layers.moe.shared.intermediate_size / width : 0));
  json.set("norm_topk_prob", layers.moe.router.renormalise);
  json.set("scoring_func", "softmax");
  json.set("aux_loss_alpha", spec.router_aux_loss_coef);
}

constexpr NameRule kSharedNames[] = {
    {"blocks.{l}.shared_expert.gate_up", Part::gate,
     "model.layers.{l}.mlp.shared_experts.gate_proj.weight"},
    {"blocks.{l}.shared_expert.gate_up", Part::up,
     "model.layers.{l}.mlp.shared_experts.up_proj.weight"},
    {"blocks.{l}.shared_expert.down", Part::whole,
     "model.layers.{l}.mlp.shared_experts.down_proj.weight"},
};
constexpr auto kNames = join(kAttentionNames, kPreNormNames, kMlpNames, kExpertNames, kSharedNames);
constexpr auto kPackedNames =
    join(kAttentionNames, kPreNormNames, kMlpNames, kPackedExpertNames, kSharedNames);

constexpr NameLayout kLayouts[] = {
    {"one tensor for each expert", kNames},
    {"experts packed", kPackedNames},
};

}  // namespace

const Family kDeepseek = {
    "DeepseekForCausalLM",
    "deepseek",
    read_deepseek,
    write_deepseek,
    kLayouts,
    R"({"hidden_size": 2048, "intermediate_size": 10944, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 16, "n_routed_experts": 64,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1408,
        "first_k_dense_replace": 1, "moe_layer_freq": 1, "norm_topk_prob": false,
        "scoring_func": "softmax", "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
        "max_position_embeddings": 4096, "vocab_size": 102400, "tie_word_embeddings": false})"};

}  // namespace cadre::model
