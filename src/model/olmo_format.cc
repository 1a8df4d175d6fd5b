// Checkpoints of the OLMo trainer for OLMoE: config.yaml, and model.safetensors or model.pt.
// Queries, keys and values are one matrix, experts are stacked as MegaBlocks keeps them.
#include <algorithm>
#include <string>
#include <unordered_map>

#include "core/io/safetensors_set.h"
#include "core/io/torch_file.h"
#include "core/io/yaml.h"
#include "model/families/config.h"
#include "model/families/family.h"
#include "model/format.h"
#include "model/olmo_names.h"

namespace cadre::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "config.yaml";

constexpr NameRule kNames[] = {
    {"embedding", Part::whole, "transformer.wte.weight"},
    {"blocks.{l}.attention_norm", Part::whole, "transformer.blocks.{l}.attn_norm.weight"},
    {"blocks.{l}.attention.query", Part::fused_query, "transformer.blocks.{l}.att_proj.weight"},
    {"blocks.{l}.attention.key", Part::fused_key, "transformer.blocks.{l}.att_proj.weight"},
    {"blocks.{l}.attention.value", Part::fused_value, "transformer.blocks.{l}.att_proj.weight"},
    {"blocks.{l}.attention.query_norm", Part::whole, "transformer.blocks.{l}.q_norm.weight"},
    {"blocks.{l}.attention.key_norm", Part::whole, "transformer.blocks.{l}.k_norm.weight"},
    {"blocks.{l}.attention.output", Part::whole, "transformer.blocks.{l}.attn_out.weight"},
    {"blocks.{l}.feed_forward_norm", Part::whole, "transformer.blocks.{l}.ff_norm.weight"},
    {"blocks.{l}.router", Part::whole, "transformer.blocks.{l}.ffn.router.layer.weight"},
    {"blocks.{l}.experts.gate_up", Part::stacked_gate, "transformer.blocks.{l}.ffn.experts.mlp.w1"},
    {"blocks.{l}.experts.gate_up", Part::stacked_up, "transformer.blocks.{l}.ffn.experts.mlp.v1"},
    {"blocks.{l}.experts.down", Part::stacked_down_t, "transformer.blocks.{l}.ffn.experts.mlp.w2"},
    {"norm", Part::whole, "transformer.ln_f.weight"},
    {"head", Part::whole, "transformer.ff_out.weight"},
};
constexpr NameLayout kLayouts[] = {{"OLMo trainer", kNames}};

bool matches(const fs::path& place) {
  return fs::is_directory(place) ? fs::is_regular_file(place / kConfig)
                                 : place.filename() == kConfig;
}

fs::path config_file(const fs::path& place) {
  return fs::is_directory(place) ? place / kConfig : place;
}

// The layers of the model that the trainer calls OLMoE; its other models have other parts.
void check_supported(const io::JsonView& model) {
  const std::string block = model.string_or("block_type", "sequential");
  if (block != "moe") {
    fail(ErrorKind::unsupported, "{}: block_type is {}, expected moe", model.where(), block);
  }
  require_absent_or(model, "activation_type", "swiglu");
  // The class default is a LayerNorm with a mean.
  if (const std::string norm = model.string_or("layer_norm_type", "default"); norm != "rms") {
    fail(ErrorKind::unsupported, "{}: layer_norm_type is {}, expected rms", model.where(), norm);
  }
  if (!model.flag_or("rope", false) || !model.flag_or("attention_layer_norm", false)) {
    fail(ErrorKind::unsupported, "{}: expected rope and attention_layer_norm to be true",
         model.where());
  }
  require_false(model, "include_bias");
  require_false(model, "alibi");
  require_false(model, "scale_logits");
  require_false(model, "norm_after");
  require_false(model, "moe_shared_expert");
  if (!model.flag_or("moe_dropless", true)) {
    fail(ErrorKind::unsupported, "{} is false: experts that drop tokens are not supported",
         model.at("moe_dropless").where());
  }
}

// The key holds the order of the norm that divides the weights of a token's experts; without one
// they stay as they are. Weights are positive, so the norm of order 1 is their sum.
bool renormalises(const io::JsonView& model) {
  constexpr const char* kKey = "moe_normalize_expert_weights";
  if (model.is_null(kKey)) return false;
  const io::JsonView order = model.at(kKey);
  const bool* flag = order.value().get_if<bool>();
  if (flag != nullptr && !*flag) return false;
  if (flag == nullptr && order.as_number() == 1.0) return true;
  fail(ErrorKind::unsupported, "{} is {}, only null, false and 1 are supported", order.where(),
       order.value().dump());
}

ModelSpec read_spec(const fs::path& place) {
  const fs::path file = config_file(place);
  const io::JsonView config(io::read_yaml_file(file), file.string());
  config.expect_object();
  const io::JsonView model = config.object("model");
  check_supported(model);
  ModelSpec spec;
  spec.architecture = "OlmoeForCausalLM";
  spec.hidden_size = model.integer("d_model");
  spec.vocab_size = model.is_null("embedding_size") ? model.integer("vocab_size")
                                                    : model.integer("embedding_size");
  spec.max_positions = model.integer_or("max_sequence_length", 1024);
  spec.rms_norm_eps = model.number_or("layer_norm_eps", 1e-5);
  spec.initializer_range = model.number_or("init_std", 0.02);
  spec.tied_embeddings = model.flag_or("weight_tying", true);
  spec.router_aux_loss_coef = model.number_or("moe_loss_weight", 0.1);
  // The file says 0, but the training data were written with the id of <|endoftext|>.
  spec.eos_token_id = token_id_or(model, "eos_token_id", 50279);
  if (spec.eos_token_id == 0 && model.integer("vocab_size") == 50280) spec.eos_token_id = 50279;
  spec.pad_token_id = token_id_or(model, "pad_token_id", 1);
  const int64_t heads = model.integer("n_heads");
  const AttentionSpec attention = {.num_heads = heads,
                                   .num_kv_heads = model.integer_or("n_kv_heads", heads),
                                   .head_dim = divide_heads(model, spec.hidden_size, heads),
                                   .rope = {.theta = model.number_or("rope_theta", 10000.0)},
                                   .qk_norm = QkNorm::full_width,
                                   .clip_qkv = model.number_or("clip_qkv", 0.0)};
  // mlp_hidden_size counts gate and up together.
  const int64_t width = model.is_null("mlp_hidden_size")
                            ? model.integer_or("mlp_ratio", 4) * spec.hidden_size / 2
                            : model.integer("mlp_hidden_size") / 2;
  const MoeSpec moe = {.router = {.num_experts = model.integer_or("moe_num_experts", 8),
                                  .top_k = model.integer_or("moe_top_k", 2),
                                  .renormalise = renormalises(model)},
                       .expert = {.intermediate_size = width}};
  spec.blocks.assign(layer_count(model, "n_layers", 0),
                     BlockSpec{.attention = attention, .feed_forward = moe});
  return spec;
}

std::unique_ptr<const Weights> open_weights(const fs::path& place, const ModelSpec& spec) {
  const fs::path folder = config_file(place).parent_path();
  std::shared_ptr<const io::TensorSource> source;
  if (fs::exists(folder / "model.safetensors")) {
    source = with_decoded_names(std::make_shared<const io::SafetensorsSet>(
        io::SafetensorsSet::open(folder / "model.safetensors")));
  } else if (fs::exists(folder / "model.pt")) {
    source = std::make_shared<const io::TorchSet>(std::vector<fs::path>{folder / "model.pt"});
  } else {
    fail(ErrorKind::not_found, "{}: holds neither model.safetensors nor model.pt", folder.string());
  }
  return weights_in(std::move(source), kLayouts, spec, folder);
}

}  // namespace

const Format kOlmoFormat = {"OLMo trainer", kConfig, matches, read_spec, open_weights};

}  // namespace cadre::model
