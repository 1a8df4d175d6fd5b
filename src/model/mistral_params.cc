#include "model/mistral_params.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "model/families/config.h"
#include "model/router_json.h"

namespace cadre::model {
namespace {

constexpr int64_t kDefaultPositions = 32768;  // the files name none

constexpr std::array<std::string_view, 16> kKnownKeys = {
    "dim",        "n_layers",   "head_dim",   "hidden_dim",    "n_heads",        "n_kv_heads",
    "rope_theta", "norm_eps",   "vocab_size", "max_seq_len",   "sliding_window", "_sliding_window",
    "moe",        "model_type", "causal",     "max_batch_size"};  // of the publisher's program
constexpr std::array<std::string_view, 2> kKnownMoeKeys = {"num_experts", "num_experts_per_tok"};

void refuse_unknown(const io::JsonView& object, std::span<const std::string_view> known) {
  for (const std::string& key : object.keys()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    const io::JsonValue& value = object.at(key).value();
    const bool* flag = value.get_if<bool>();
    if (value.is_null() || (flag != nullptr && !*flag)) continue;
    fail(ErrorKind::unsupported, "{} is not known and might change the model",
         object.at(key).where());
  }
}

// One number, or a list that repeats one for groups of layers; null in it stands for no window.
int64_t window_of(const io::JsonView& params, std::string_view key) {
  if (params.is_null(key)) return 0;
  const io::JsonView value = params.at(key);
  if (value.value().get_if<io::JsonValue::Array>() == nullptr) return params.integer(key);
  int64_t window = -1;
  for (int64_t i = 0; i < value.size(); ++i) {
    const io::JsonView element = value.element(i);
    const int64_t own = element.value().is_null() ? 0 : element.as_integer();
    if (window >= 0 && own != window) {
      fail(ErrorKind::unsupported, "{}: {} and {}, expected one window for all layers",
           element.where(), window, own);
    }
    window = own;
  }
  return std::max<int64_t>(window, 0);
}

io::JsonValue as_params(const ModelSpec& spec) {
  const BlockSpec& block = spec.blocks.front();
  const auto* moe = std::get_if<MoeSpec>(&block.feed_forward);
  const MlpSpec& mlp = moe != nullptr ? moe->expert : std::get<MlpSpec>(block.feed_forward);
  io::JsonValue params = io::JsonValue::object();
  params.set("dim", spec.hidden_size)
      .set("n_layers", spec.num_layers())
      .set("head_dim", block.attention.head_dim)
      .set("hidden_dim", mlp.intermediate_size)
      .set("n_heads", block.attention.num_heads)
      .set("n_kv_heads", block.attention.num_kv_heads)
      .set("rope_theta", block.attention.rope.theta)
      .set("norm_eps", spec.rms_norm_eps)
      .set("vocab_size", spec.vocab_size)
      .set("max_seq_len", spec.max_positions);
  if (block.attention.window > 0) params.set("sliding_window", block.attention.window);
  if (moe != nullptr) {
    io::JsonValue mixture = io::JsonValue::object();
    mixture.set("num_experts", moe->router.num_experts)
        .set("num_experts_per_tok", moe->router.top_k);
    params.set("moe", std::move(mixture));
  }
  return params;
}

}  // namespace

ModelSpec read_mistral_params(const io::JsonView& params) {
  params.expect_object();
  refuse_unknown(params, kKnownKeys);
  require_absent_or(params, "model_type", "transformer");
  if (!params.flag_or("causal", true)) {
    fail(ErrorKind::unsupported, "{} is false, only true is supported",
         params.at("causal").where());
  }
  ModelSpec spec;
  spec.hidden_size = params.integer("dim");
  spec.vocab_size = params.integer("vocab_size");
  spec.rms_norm_eps = params.number_or("norm_eps", 1e-5);
  spec.max_positions = params.integer_or("max_seq_len", kDefaultPositions);
  spec.bos_token_id = 1;
  spec.eos_token_id = 2;
  BlockSpec block;
  AttentionSpec& attention = block.attention;
  attention.num_heads = params.integer("n_heads");
  attention.num_kv_heads = params.integer_or("n_kv_heads", attention.num_heads);
  attention.head_dim = params.is_null("head_dim")
                           ? divide_heads(params, spec.hidden_size, attention.num_heads)
                           : params.integer("head_dim");
  attention.window =
      window_of(params, params.is_null("sliding_window") ? "_sliding_window" : "sliding_window");
  // The publisher's code: models with a window are of the first generation.
  attention.rope.theta = params.number_or("rope_theta", attention.window > 0 ? 1e4 : 1e6);
  const MlpSpec mlp = {.intermediate_size = params.integer("hidden_dim")};
  if (params.is_null("moe")) {
    spec.architecture = "MistralForCausalLM";
    block.feed_forward = mlp;
  } else {
    const io::JsonView moe = params.object("moe");
    refuse_unknown(moe, kKnownMoeKeys);
    spec.architecture = "MixtralForCausalLM";
    block.feed_forward = MoeSpec{.router = {.num_experts = moe.integer("num_experts"),
                                            .top_k = moe.integer("num_experts_per_tok"),
                                            .renormalise = true},
                                 .expert = mlp};
  }
  spec.blocks.assign(layer_count(params, "n_layers", 0), block);
  return spec;
}

io::JsonValue mistral_params(const ModelSpec& spec) {
  const auto expect = [&](bool supported, std::string_view what) {
    if (!supported) {
      fail(ErrorKind::unsupported, "params.json cannot express {} of this {}", what,
           spec.architecture);
    }
  };
  expect(spec.architecture == "MistralForCausalLM" || spec.architecture == "MixtralForCausalLM",
         "the family");
  expect(!spec.tied_embeddings, "tied embeddings");
  for (const BlockSpec& block : spec.blocks) {
    expect(block == spec.blocks.front(), "layers that differ");
  }
  io::JsonValue params = as_params(spec);
  const ModelSpec read_back = read_mistral_params(io::JsonView(params, "params.json"));
  expect(spec.norm == read_back.norm, "the kind of norm");
  expect(inference_view(spec).blocks.front() == inference_view(read_back).blocks.front(),
         "attention, MLP or router");
  const auto expect_id = [&](const char* name, int64_t id, int64_t written) {
    expect(id < 0 || id == written, fmt::format("{} = {}", name, id));
  };
  expect_id("bos_token_id", spec.bos_token_id, read_back.bos_token_id);
  expect_id("eos_token_id", spec.eos_token_id, read_back.eos_token_id);
  expect_id("pad_token_id", spec.pad_token_id, read_back.pad_token_id);
  return params;
}

}  // namespace cadre::model
