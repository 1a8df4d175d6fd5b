#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "core/io/json.h"
#include "model/families/family.h"
#include "train/pretrain/config.h"

namespace cadre::train {
namespace {

const model::Family& family_of(const std::string& name) {
  std::string known;
  for (const model::Family* family : model::families()) {
    if (family->model_type == name || family->architecture == name) return *family;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", family->model_type);
  }
  fail(ErrorKind::invalid_input, "model: family = {}, expected one of {}", name, known);
}

// `value` of a model whose `was` is now `is`; at least 1 if it was.
int64_t in_proportion(int64_t value, int64_t is, int64_t was) {
  if (value == 0 || was == 0) return value;
  return std::max<int64_t>(1, value * is / was);
}

int64_t dense_width(const ModelConfig& from) {
  if (from.intermediate_size > 0) return from.intermediate_size;
  return (from.hidden_size * 8 / 3 + 63) / 64 * 64;
}

void set_attention(const ModelConfig& from, int64_t published_hidden_size,
                   model::AttentionSpec& attention) {
  const int64_t published_head_dim = attention.head_dim;
  const int64_t published_width = attention.num_heads * attention.head_dim;
  attention.num_heads = from.num_heads;
  attention.num_kv_heads = from.num_kv_heads > 0 ? from.num_kv_heads : from.num_heads;
  // Yuan's heads are twice as wide together as the stream.
  attention.head_dim = from.head_dim > 0 ? from.head_dim
                                         : in_proportion(from.hidden_size / from.num_heads,
                                                         published_width, published_hidden_size);
  attention.rope.theta = from.rope_theta;
  attention.rope.rotary_dim =
      in_proportion(attention.rope.rotary_dim, attention.head_dim, published_head_dim);
  if (!from.qk_norm) attention.qk_norm = model::QkNorm::none;
  attention.window = from.window;
  attention.clip_qkv = from.clip_qkv;
  if (attention.filter) {
    attention.filter->inner_size =
        in_proportion(attention.filter->inner_size, from.hidden_size, published_hidden_size);
  }
}

void set_mixture(const ModelConfig& from, model::MoeSpec& moe) {
  moe.shared.intermediate_size = from.shared_size > 0
                                     ? from.shared_size
                                     : in_proportion(moe.shared.intermediate_size, from.expert_size,
                                                     moe.expert.intermediate_size);
  moe.router.num_experts = from.num_experts;
  moe.router.top_k = from.top_k;
  moe.router.renormalise = moe.router.renormalise || from.renormalise;
  moe.expert.intermediate_size = from.expert_size;
}

// The published block of the family, with the sizes of [model].
model::BlockSpec resized(const ModelConfig& from, const model::ModelSpec& published,
                         int64_t layer) {
  const int64_t last = published.num_layers() - 1;
  model::BlockSpec block = published.blocks[static_cast<size_t>(std::min(layer, last))];
  set_attention(from, published.hidden_size, block.attention);
  if (block.residual_mlp) {
    block.residual_mlp->intermediate_size = in_proportion(block.residual_mlp->intermediate_size,
                                                          from.hidden_size, published.hidden_size);
  }
  if (auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward)) {
    set_mixture(from, *moe);
  } else {
    std::get<model::MlpSpec>(block.feed_forward).intermediate_size = dense_width(from);
  }
  return block;
}

// What the family's config.json keeps of the spec, but for what only training reads.
model::ModelSpec as_saved(const model::Family& family, const model::ModelSpec& spec) {
  io::JsonValue json = io::JsonValue::object();
  family.write_config(spec, DType::f32, json);
  model::ModelSpec saved = family.read_config(io::JsonView(std::move(json), "config.json"));
  saved.router_aux_loss_coef = spec.router_aux_loss_coef;
  saved.fan_in_scale = spec.fan_in_scale;
  saved.notes = spec.notes;
  for (size_t layer = 0; layer < std::min(saved.blocks.size(), spec.blocks.size()); ++layer) {
    auto* read = std::get_if<model::MoeSpec>(&saved.blocks[layer].feed_forward);
    const auto* built = std::get_if<model::MoeSpec>(&spec.blocks[layer].feed_forward);
    if (read == nullptr || built == nullptr) continue;
    model::RouterSpec router = built->router;
    router.num_experts = read->router.num_experts;
    router.top_k = read->router.top_k;
    router.renormalise = read->router.renormalise;
    read->router = router;
  }
  return saved;
}

// A single weight rescaled to sum to one is one. Families differ in whether they do that, and none
// has a key for it.
void take_single_weights(const model::ModelSpec& saved, model::ModelSpec& spec) {
  for (size_t layer = 0; layer < std::min(saved.blocks.size(), spec.blocks.size()); ++layer) {
    const auto* read = std::get_if<model::MoeSpec>(&saved.blocks[layer].feed_forward);
    auto* built = std::get_if<model::MoeSpec>(&spec.blocks[layer].feed_forward);
    if (read == nullptr || built == nullptr || built->router.top_k > 1) continue;
    built->router.renormalise = read->router.renormalise;
  }
}

// The width of the first shared expert; 0 if there is none.
int64_t shared_size(const model::ModelSpec& spec) {
  for (const model::BlockSpec& block : spec.blocks) {
    const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward);
    if (moe != nullptr) return moe->shared.intermediate_size;
  }
  return 0;
}

// A model that is saved must be the one that is loaded: a family has no key for what only others
// have.
void check_expressible(const model::Family& family, const model::ModelSpec& saved,
                       const model::ModelSpec& spec) {
  if (saved == spec) return;
  const model::AttentionSpec& theirs = saved.blocks.front().attention;
  const model::AttentionSpec& ours = spec.blocks.front().attention;
  std::string fields = "what [model] describes";
  if (shared_size(saved) != shared_size(spec)) {
    fields = fmt::format("shared_size = {}", shared_size(spec));
  }
  if (theirs.qk_norm != ours.qk_norm) fields = "qk_norm = false";
  if (theirs.window != ours.window) fields = "window";
  if (theirs.clip_qkv != ours.clip_qkv) fields = "clip_qkv";
  if (saved.rms_norm_eps != spec.rms_norm_eps) fields = "rms_norm_eps";
  fail(ErrorKind::invalid_input, "model: a configuration of the family {} cannot say {}",
       family.model_type, fields);
}

}  // namespace

model::ModelSpec build_spec(const TrainConfig& config, int64_t vocab_size, int64_t eos_token_id,
                            int64_t pad_token_id) {
  const ModelConfig& from = config.model;
  if (from.head_dim == 0 && from.hidden_size % from.num_heads != 0) {
    fail(ErrorKind::invalid_input,
         "model: hidden_size = {} is not a multiple of num_heads = {}; give head_dim",
         from.hidden_size, from.num_heads);
  }
  // Files of OLMoE always have norms of queries and keys, those of Mixtral never.
  const bool plain_olmoe = from.family == "olmoe" && !from.qk_norm;
  const model::Family& family = family_of(plain_olmoe ? "mixtral" : from.family);
  const std::string_view keys = family.published.empty() ? "{}" : family.published;
  const model::ModelSpec published =
      family.read_config(io::JsonView::parse(keys, std::string(family.model_type)));
  model::ModelSpec spec = published;
  spec.vocab_size = vocab_size;
  spec.hidden_size = from.hidden_size;
  spec.max_positions = from.max_positions > 0 ? from.max_positions : config.data.sequence_length;
  spec.rms_norm_eps = from.rms_norm_eps;
  spec.initializer_range = from.initializer_range;
  spec.fan_in_scale = from.fan_in_scale;
  spec.tied_embeddings = from.tied_embeddings;
  spec.bos_token_id = -1;
  spec.eos_token_id = eos_token_id;
  spec.pad_token_id = pad_token_id;
  spec.blocks.clear();
  for (int64_t layer = 0; layer < from.num_layers; ++layer) {
    spec.blocks.push_back(resized(from, published, layer));
  }
  model::validate(spec, "model");
  if (spec.max_positions < config.data.sequence_length) {
    fail(ErrorKind::invalid_input,
         "model: max_positions = {}, expected at least the {} of "
         "data.sequence_length",
         spec.max_positions, config.data.sequence_length);
  }
  const model::ModelSpec saved = as_saved(family, spec);
  take_single_weights(saved, spec);
  check_expressible(family, saved, spec);
  // Where routers are not those of the family, the configuration says so (model/router_json.h).
  for (model::BlockSpec& block : spec.blocks) {
    auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward);
    if (plain_olmoe && moe != nullptr) moe->router.renormalise = from.renormalise;
  }
  apply_router(config.router, spec);
  model::validate(spec, "model");
  const bool balanced =
      router_loss_options(config, spec).load_balancing != model::LoadBalancing::none;
  spec.router_aux_loss_coef = balanced ? config.loss.load_balancing_weight : 0.0;
  return spec;
}

}  // namespace cadre::train
