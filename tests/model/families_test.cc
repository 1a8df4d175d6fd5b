// What published configurations mean: sizes to the unit, defaults of missing keys, and what is
// refused by name.
#include <doctest/doctest.h>

#include <string>

#include "core/base/error.h"
#include "core/io/json.h"
#include "model/cost.h"
#include "model/families/family.h"
#include "model/parameters.h"

namespace cadre {
namespace {

model::ModelSpec read(const std::string& json) {
  const io::JsonView config = io::JsonView::parse(json, "config.json");
  model::ModelSpec spec = model::find_family(config).read_config(config);
  model::validate(spec, "config.json");
  return spec;
}

// The keys of one architecture and nothing else, so that all others are missing.
model::ModelSpec of(const std::string& architecture, const std::string& keys = "") {
  return read(R"({"architectures": [")" + architecture + R"("])" +
              (keys.empty() ? "" : ", " + keys) + "}");
}

const model::AttentionSpec& attention(const model::ModelSpec& spec) {
  return spec.blocks.front().attention;
}

const model::MoeSpec& mixture(const model::BlockSpec& block) {
  return std::get<model::MoeSpec>(block.feed_forward);
}

bool is_sparse(const model::BlockSpec& block) {
  return std::holds_alternative<model::MoeSpec>(block.feed_forward);
}

// What is said when the keys are refused, or "accepted".
std::string refusal(const std::string& architecture, const std::string& keys) {
  try {
    of(architecture, keys);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kMixtral8x7b =
    R"("hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
    "num_experts_per_tok": 2, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
    "sliding_window": null, "max_position_embeddings": 32768, "vocab_size": 32000,
    "router_aux_loss_coef": 0.02, "output_router_logits": false, "bos_token_id": 1,
    "eos_token_id": 2, "tie_word_embeddings": false, "hidden_act": "silu",
    "attention_dropout": 0.0, "initializer_range": 0.02, "torch_dtype": "bfloat16")";

std::string mixtral_8x22b(int64_t vocab_size) {
  return R"("hidden_size": 6144, "intermediate_size": 16384, "num_hidden_layers": 56,
    "num_attention_heads": 48, "num_key_value_heads": 8, "num_local_experts": 8,
    "num_experts_per_tok": 2, "rms_norm_eps": 1e-05, "rope_theta": 1000000,
    "max_position_embeddings": 65536, "router_aux_loss_coef": 0.001, "router_jitter_noise": 0.0,
    "vocab_size": )" +
         std::to_string(vocab_size);
}

std::string mistral_7b(int64_t vocab_size, const std::string& window) {
  return R"("hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0, "max_position_embeddings": 32768, "sliding_window": )" +
         window + R"(, "vocab_size": )" + std::to_string(vocab_size);
}

constexpr const char* kOlmoe1b7b =
    R"("hidden_size": 2048, "intermediate_size": 1024, "num_hidden_layers": 16,
    "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 64,
    "num_experts_per_tok": 8, "norm_topk_prob": false, "attention_bias": false, "clip_qkv": null,
    "rope_theta": 10000.0, "rope_scaling": null, "max_position_embeddings": 4096,
    "vocab_size": 50304, "eos_token_id": 50279, "pad_token_id": 1, "tie_word_embeddings": false)";

constexpr const char* kQwen15Moe =
    R"("hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
    "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 60,
    "num_experts_per_tok": 4, "norm_topk_prob": false, "moe_intermediate_size": 1408,
    "shared_expert_intermediate_size": 5632, "decoder_sparse_step": 1, "use_sliding_window": false,
    "sliding_window": 32768, "max_window_layers": 21, "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0, "max_position_embeddings": 8192, "vocab_size": 151936,
    "bos_token_id": 151643, "eos_token_id": 151643)";

constexpr const char* kDeepseekMoe16b =
    R"("hidden_size": 2048, "intermediate_size": 10944, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 16, "n_routed_experts": 64,
    "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1408,
    "first_k_dense_replace": 1, "moe_layer_freq": 1, "norm_topk_prob": false,
    "scoring_func": "softmax", "aux_loss_alpha": 0.001, "seq_aux": true, "rms_norm_eps": 1e-06,
    "rope_theta": 10000, "max_position_embeddings": 4096, "vocab_size": 102400,
    "bos_token_id": 100000, "eos_token_id": 100001)";

}  // namespace

TEST_CASE("families: published configurations have the published counts, to the unit") {
  struct Published {
    const char* name;
    model::ModelSpec spec;
    int64_t total, active, cache;
  };
  const Published models[] = {
      {"Mixtral 8x7B", of("MixtralForCausalLM", kMixtral8x7b), 46702792704, 12879925248, 131072},
      {"Mixtral 8x22B", of("MixtralForCausalLM", mixtral_8x22b(32000)), 140620634112, 39152031744,
       229376},
      {"Mixtral 8x22B, larger vocabulary", of("MixtralForCausalLM", mixtral_8x22b(32768)),
       140630071296, 39161468928, 229376},
      {"Mistral 7B v0.1", of("MistralForCausalLM", mistral_7b(32000, "4096")), 7241732096,
       7241732096, 131072},
      {"Mistral 7B v0.3", of("MistralForCausalLM", mistral_7b(32768, "null")), 7248023552,
       7248023552, 131072},
      {"OLMoE 1B-7B", of("OlmoeForCausalLM", kOlmoe1b7b), 6919161856, 1282017280, 131072},
  };
  for (const Published& published : models) {
    CAPTURE(published.name);
    const model::ModelCost cost = model::cost(published.spec);
    CHECK(cost.total_parameters == published.total);
    CHECK(cost.active_parameters == published.active);
    CHECK(cost.kv_cache_bytes_per_token == published.cache);
  }
}

TEST_CASE("families: operations for a token are those of the published table") {
  struct Published {
    model::ModelSpec spec;
    double forward, training;  // in units of 1e9
  };
  const Published models[] = {
      {of("MixtralForCausalLM", kMixtral8x7b), 25.8, 77.3},
      {of("MixtralForCausalLM", mixtral_8x22b(32000)), 78.3, 234.9},
      {of("OlmoeForCausalLM", kOlmoe1b7b), 2.56, 7.69},
  };
  for (const Published& published : models) {
    CAPTURE(published.spec.hidden_size);
    const model::ModelCost cost = model::cost(published.spec);
    CHECK(cost.forward_flops_per_token == doctest::Approx(published.forward * 1e9).epsilon(0.002));
    CHECK(cost.training_flops_per_token ==
          doctest::Approx(published.training * 1e9).epsilon(0.002));
  }
}

TEST_CASE("families: shared experts and dense first layers count as active") {
  // 16.4 B of which 2.8 B are used by a token, and 14.3 B of which 2.7 B.
  const model::ModelCost deepseek = model::cost(of("DeepseekForCausalLM", kDeepseekMoe16b));
  CHECK(deepseek.total_parameters == doctest::Approx(16.4e9).epsilon(0.005));
  CHECK(deepseek.active_parameters == doctest::Approx(2.83e9).epsilon(0.01));
  const model::ModelCost qwen = model::cost(of("Qwen2MoeForCausalLM", kQwen15Moe));
  CHECK(qwen.total_parameters == doctest::Approx(14.3e9).epsilon(0.005));
  CHECK(qwen.active_parameters == doctest::Approx(2.69e9).epsilon(0.01));
}

TEST_CASE("families: a window bounds the cache of a long sequence") {
  const model::ModelSpec windowed = of("MistralForCausalLM", mistral_7b(32000, "4096"));
  CHECK(model::kv_cache_bytes(windowed, 100) == 100 * 131072);
  CHECK(model::kv_cache_bytes(windowed, 4096) == 4096 * 131072);
  CHECK(model::kv_cache_bytes(windowed, 32768) == 4096 * 131072);
  const model::ModelSpec full = of("MistralForCausalLM", mistral_7b(32000, "null"));
  CHECK(model::kv_cache_bytes(full, 32768) == int64_t{32768} * 131072);
}

TEST_CASE("families: missing keys take the class default of the reference") {
  const model::ModelSpec mistral = of("MistralForCausalLM");
  CHECK(attention(mistral).window == 4096);
  CHECK(mistral.rms_norm_eps == 1e-6);
  CHECK(mistral.max_positions == 131072);
  CHECK(attention(mistral).rope.theta == 10000.0);
  CHECK(attention(mistral).num_kv_heads == 8);
  CHECK(mistral.bos_token_id == 1);
  CHECK(mistral.eos_token_id == 2);
  CHECK(mistral.pad_token_id == -1);

  const model::ModelSpec mixtral = of("MixtralForCausalLM");
  CHECK(attention(mixtral).window == 0);
  CHECK(mixtral.rms_norm_eps == 1e-5);
  CHECK(mixtral.max_positions == 131072);
  CHECK(attention(mixtral).rope.theta == 1e6);
  CHECK(mixtral.router_aux_loss_coef == 0.001);
  CHECK(mixture(mixtral.blocks[0]).router.renormalise);
  CHECK(mixture(mixtral.blocks[0]).router.jitter_noise == 0.0);

  const model::ModelSpec olmoe = of("OlmoeForCausalLM");
  CHECK(mixture(olmoe.blocks[0]).expert.intermediate_size == 2048);
  CHECK(olmoe.max_positions == 4096);
  CHECK(olmoe.router_aux_loss_coef == 0.01);
  CHECK_FALSE(mixture(olmoe.blocks[0]).router.renormalise);

  const model::ModelSpec llama = of("LlamaForCausalLM");
  CHECK(llama.max_positions == 2048);
  CHECK(llama.rms_norm_eps == 1e-6);
  CHECK(attention(llama).num_kv_heads == 32);
  CHECK(attention(llama).window == 0);
  CHECK(std::get<model::MlpSpec>(llama.blocks[0].feed_forward).intermediate_size == 11008);

  const model::ModelSpec olmo = of("OlmoForCausalLM", R"("rms_norm_eps": 0.5)");
  CHECK(olmo.norm == model::NormKind::layer);
  CHECK(olmo.rms_norm_eps == 1e-5);  // the key is not read: the eps is fixed
  CHECK(olmo.vocab_size == 50304);
  CHECK(olmo.eos_token_id == 50279);

  const model::ModelSpec olmo2 = of("Olmo2ForCausalLM");
  CHECK(olmo2.blocks[0].norm == model::NormPlacement::after);
  CHECK(attention(olmo2).qk_norm == model::QkNorm::full_width);
  CHECK(olmo2.rms_norm_eps == 1e-5);

  const model::ModelSpec qwen = of("Qwen2MoeForCausalLM");
  CHECK(attention(qwen).qkv_bias);
  CHECK_FALSE(attention(qwen).output_bias);
  CHECK(attention(qwen).window == 0);
  CHECK(mixture(qwen.blocks[0]).shared.intermediate_size == 5632);
  CHECK(mixture(qwen.blocks[0]).shared.sigmoid_gate);
  CHECK(mixture(qwen.blocks[0]).router.num_experts == 60);
  CHECK(mixture(qwen.blocks[0]).router.top_k == 4);
  CHECK(qwen.eos_token_id == -1);

  const model::ModelSpec deepseek = of("DeepseekForCausalLM");
  CHECK(deepseek.num_layers() == 30);
  CHECK_FALSE(is_sparse(deepseek.blocks[29]));  // no experts unless they are named
}

TEST_CASE("families: null is not missing, integers are numbers, and head_dim may be explicit") {
  CHECK(attention(of("MistralForCausalLM", R"("sliding_window": null)")).window == 0);
  CHECK(attention(of("MistralForCausalLM", R"("num_key_value_heads": null)")).num_kv_heads == 32);
  CHECK(attention(of("MixtralForCausalLM", R"("sliding_window": 4096)")).window == 4096);
  CHECK(attention(of("MixtralForCausalLM", R"("rope_theta": 1000000)")).rope.theta == 1e6);
  const model::ModelSpec nemo = of("MistralForCausalLM", R"("hidden_size": 5120, "head_dim": 128)");
  CHECK(attention(nemo).head_dim == 128);
  CHECK(attention(of("MistralForCausalLM", R"("head_dim": null)")).head_dim == 128);
  CHECK(of("LlamaForCausalLM", R"("eos_token_id": [7, 8])").eos_token_id == 7);
  CHECK(read(R"({"model_type": "mixtral"})").architecture == "MixtralForCausalLM");
}

TEST_CASE("families: the base of rotations stands in either place, with or without a scaling") {
  const auto rope = [](const std::string& keys) {
    return attention(of("LlamaForCausalLM", keys)).rope;
  };
  CHECK(rope(R"("rope_parameters": {"rope_type": "default", "rope_theta": 77})").theta == 77.0);
  CHECK(rope(R"("rope_theta": 5, "rope_parameters": {"rope_theta": 77})").theta == 77.0);
  CHECK(rope(R"("rope_theta": 5, "rope_parameters": null)").theta == 5.0);
  const model::RopeSpec linear = rope(R"("rope_scaling": {"type": "linear", "factor": 4})");
  CHECK(linear.scaling.kind == model::RopeScalingKind::linear);
  CHECK(linear.scaling.factor == 4.0);
  const model::RopeSpec llama3 = rope(
      R"("rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192})");
  CHECK(llama3.scaling.kind == model::RopeScalingKind::llama3);
  CHECK(llama3.scaling.original_positions == 8192);
  CHECK(mentions(refusal("LlamaForCausalLM", R"("rope_scaling": {"type": "yarn", "factor": 2})"),
                 "yarn"));
  CHECK(mentions(refusal("LlamaForCausalLM", R"("rope_scaling": {"type": "linear"})"), "factor"));
  CHECK(mentions(refusal("LlamaForCausalLM",
                         R"("rope_scaling": {"rope_type": "llama3", "factor": 8,
                         "low_freq_factor": 4, "high_freq_factor": 4})"),
                 "high_freq_factor"));
}

TEST_CASE("Qwen2-MoE: which layers have a mixture, and which a window") {
  const model::ModelSpec spec = of("Qwen2MoeForCausalLM",
                                   R"("num_hidden_layers": 6, "decoder_sparse_step": 2,
      "mlp_only_layers": [3, 99], "use_sliding_window": true, "sliding_window": 7,
      "layer_types": ["full_attention", "sliding_attention", "full_attention",
      "sliding_attention", "full_attention", "full_attention"])");
  const std::vector<bool> expected = {false, true, false, false, false, true};
  for (size_t layer = 0; layer < 6; ++layer) {
    CAPTURE(layer);
    CHECK(is_sparse(spec.blocks[layer]) == expected[layer]);
    CHECK(spec.blocks[layer].attention.window == (layer == 1 || layer == 3 ? 7 : 0));
  }
  CHECK(mentions(refusal("Qwen2MoeForCausalLM", R"("use_sliding_window": true)"), "layer_types"));
  CHECK(mentions(refusal("Qwen2MoeForCausalLM", R"("decoder_sparse_step": 0)"),
                 "decoder_sparse_step"));
}

TEST_CASE("DeepSeekMoE: which layers have a mixture, and of what") {
  const model::ModelSpec spec = of("DeepseekForCausalLM", kDeepseekMoe16b);
  CHECK_FALSE(is_sparse(spec.blocks[0]));
  for (size_t layer = 1; layer < 28; ++layer) CHECK(is_sparse(spec.blocks[layer]));
  CHECK(mixture(spec.blocks[1]).shared.intermediate_size == 2 * 1408);
  CHECK_FALSE(mixture(spec.blocks[1]).shared.sigmoid_gate);
  const std::string moe = R"("n_routed_experts": 8, "num_experts_per_tok": 2)";
  CHECK(is_sparse(of("DeepseekForCausalLM", moe + R"(, "moe_layer_freq": 3)").blocks[3]));
  CHECK_FALSE(is_sparse(of("DeepseekForCausalLM", moe + R"(, "moe_layer_freq": 3)").blocks[2]));
  CHECK(mentions(refusal("DeepseekForCausalLM", moe + R"(, "scoring_func": "sigmoid")"),
                 "scoring_func"));
  CHECK(
      mentions(refusal("DeepseekForCausalLM", moe + R"(, "moe_layer_freq": 0)"), "moe_layer_freq"));
  CHECK(
      mentions(refusal("DeepseekForCausalLM", R"("n_routed_experts": 8)"), "num_experts_per_tok"));
  CHECK(mentions(refusal("DeepseekForCausalLM", moe + R"(, "routed_scaling_factor": 2.5)"),
                 "routed_scaling_factor"));
}

TEST_CASE("families: what cannot be computed is refused, naming the key") {
  CHECK(mentions(refusal("MistralForCausalLM", R"("sliding_window": 0)"), "sliding_window"));
  CHECK(mentions(refusal("MistralForCausalLM", R"("hidden_act": "gelu")"), "hidden_act"));
  CHECK(mentions(refusal("MixtralForCausalLM", R"("router_jitter_noise": -1)"),
                 "router_jitter_noise"));
  CHECK(mentions(refusal("OlmoForCausalLM", R"("clip_qkv": -8)"), "clip_qkv"));
  CHECK(mentions(refusal("LlamaForCausalLM", R"("head_dim": 7)"), "head_dim"));
  CHECK(mentions(refusal("LlamaForCausalLM", R"("num_attention_heads": 3)"), "hidden_size"));
  CHECK(mentions(refusal("GemmaForCausalLM", ""), "MixtralForCausalLM"));
}

TEST_CASE("families: a configuration that was written reads as the same spec") {
  const auto again = [](const model::ModelSpec& spec) {
    io::JsonValue json = io::JsonValue::object();
    model::find_family(spec.architecture).write_config(spec, DType::bf16, json);
    return read(json.pretty());
  };
  for (const model::Family* family : model::families()) {
    CAPTURE(family->architecture);
    const std::string published(family->published.empty() ? "{}" : family->published);
    const model::ModelSpec spec =
        family->read_config(io::JsonView::parse(published, "config.json"));
    CHECK(again(spec) == spec);
  }
  for (const model::ModelSpec& spec :
       {of("MixtralForCausalLM", R"("router_jitter_noise": 0.25, "sliding_window": 9)"),
        of("LlamaForCausalLM", R"("attention_bias": true, "mlp_bias": true, "head_dim": 64,
           "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
           "high_freq_factor": 4, "original_max_position_embeddings": 512})"),
        of("LlamaForCausalLM", R"("rope_scaling": {"type": "linear", "factor": 3})"),
        of("OlmoForCausalLM", R"("clip_qkv": 8)"), of("OlmoeForCausalLM", R"("clip_qkv": 2.5)"),
        of("Qwen2MoeForCausalLM", R"("mlp_only_layers": [0, 5], "qkv_bias": false,
           "tie_word_embeddings": true)"),
        of("Qwen2MoeForCausalLM", R"("num_experts": 0)"),
        of("DeepseekForCausalLM", R"("n_routed_experts": 8, "num_experts_per_tok": 2,
           "first_k_dense_replace": 5, "moe_layer_freq": 3, "num_hidden_layers": 7)"),
        of("DeepseekForCausalLM", R"("n_routed_experts": 8, "num_experts_per_tok": 2,
           "num_hidden_layers": 4, "moe_layer_freq": 9, "n_shared_experts": 1)"),
        of("DeepseekForCausalLM", "")}) {
    CAPTURE(spec.architecture);
    CHECK(again(spec) == spec);
  }
}

TEST_CASE("families: every element of every parameter has exactly one place in each layout") {
  const char* const small = R"("hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 3,
      "num_key_value_heads": 1, "intermediate_size": 6, "vocab_size": 5,
      "max_position_embeddings": 16, "num_local_experts": 3, "num_experts": 3,
      "moe_intermediate_size": 4, "shared_expert_intermediate_size": 6, "n_routed_experts": 3,
      "n_shared_experts": 2, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
      "mlp_only_layers": [1])";
  const std::string biased = std::string(small) + R"(, "attention_bias": true, "mlp_bias": true)";
  for (const model::Family* family : model::families()) {
    const std::string architecture(family->architecture);
    const bool takes_bias = refusal(architecture, biased) == "accepted";
    const model::ModelSpec spec = of(architecture, takes_bias ? biased : small);
    const std::vector<model::ParameterSpec> list = model::parameter_list(spec);
    for (const model::NameLayout& layout : family->layouts) {
      CAPTURE(family->architecture);
      CAPTURE(layout.description);
      std::vector<std::vector<int>> covered;
      for (const model::ParameterSpec& parameter : list) {
        covered.emplace_back(static_cast<size_t>(parameter.shape.elements()), 0);
      }
      for (const model::FilePart& part : model::file_parts(layout, spec, list)) {
        for (int64_t i = 0; i < part.elements; ++i) {
          ++covered[static_cast<size_t>(part.parameter)][static_cast<size_t>(part.offset + i)];
        }
      }
      for (size_t p = 0; p < list.size(); ++p) {
        CAPTURE(list[p].name);
        for (const int count : covered[p]) REQUIRE(count == 1);
      }
    }
  }
}

}  // namespace cadre
