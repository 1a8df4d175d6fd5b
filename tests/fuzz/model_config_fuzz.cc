// A config.json of any family: read into a spec whose sizes may be computed with, and which comes
// back as it was when it is written.
#include "core/base/error.h"
#include "core/io/json.h"
#include "model/families/family.h"
#include "model/hf.h"
#include "model/parameters.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {
namespace {

void check_round_trip(const model::ModelSpec& spec) {
  io::JsonValue json = io::JsonValue::object();
  const model::Family& family = model::find_family(spec.architecture);
  family.write_config(spec, DType::bf16, json);
  model::ModelSpec again = family.read_config(io::JsonView(std::move(json), "config.json"));
  again.notes = spec.notes;
  CADRE_CHECK(again.blocks.size() == spec.blocks.size());
  for (size_t layer = 0; layer < spec.blocks.size(); ++layer) {
    // A family need not have keys for every router: those have keys of their own.
    auto* read = std::get_if<model::MoeSpec>(&again.blocks[layer].feed_forward);
    const auto* moe = std::get_if<model::MoeSpec>(&spec.blocks[layer].feed_forward);
    if (read != nullptr && moe != nullptr) read->router = moe->router;
  }
  CADRE_CHECK(again == spec);
}

}  // namespace

void read_input(std::string_view bytes) {
  const InputFile file(bytes, "config.json");
  const model::ModelSpec spec = model::read_spec(file.path());
  // A spec may describe any number of layers; only lists of a sane length are walked.
  if (spec.num_layers() < 1000) model::parameter_list(spec);
  check_round_trip(spec);
}

std::vector<std::string> seeds() {
  std::vector<std::string> seeds;
  for (const model::Family* family : model::families()) {
    const std::string_view keys = family->published.empty() ? "{}" : family->published;
    io::JsonValue config = io::parse_json(keys, "published");
    config.set("architectures", std::vector<std::string>{std::string(family->architecture)})
        .set("model_type", family->model_type)
        .set("hidden_act", "silu")
        .set("eos_token_id", 2)
        .set("pad_token_id", io::JsonValue())
        .set("initializer_range", 0.02)
        .set("torch_dtype", "bfloat16");
    seeds.push_back(config.dump());
  }
  const std::string olmo = R"("architectures":["OlmoForCausalLM"],"clip_qkv":8.0)";
  const std::string llama = R"("architectures":["LlamaForCausalLM"],"attention_bias":true)";
  const std::string qwen = R"("architectures":["Qwen2MoeForCausalLM"],"num_hidden_layers":3)";
  seeds.push_back("{" + olmo + R"(,"rope_parameters":{"rope_type":"default","rope_theta":500}})");
  seeds.push_back("{" + llama + R"(,"mlp_bias":true,"rope_scaling":{"rope_type":"llama3",)" +
                  R"("factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,)" +
                  R"("original_max_position_embeddings":8192}})");
  seeds.push_back("{" + llama + R"(,"head_dim":64,"rope_scaling":{"type":"linear","factor":2}})");
  seeds.push_back("{" + qwen + R"(,"mlp_only_layers":[0],"use_sliding_window":true,)" +
                  R"("sliding_window":7,"layer_types":["full_attention","sliding_attention",)" +
                  R"("full_attention"]})");
  seeds.push_back(R"({"architectures":["YuanForCausalLM"],"attention_projection_size":4096,)"
                  R"("hidden_size":2048,"num_attention_heads":16,"num_hidden_layers":4,)"
                  R"("rotary_base":40890,"rotary_precision":"bf16_freq","use_moe":false})");
  seeds.push_back(
      R"({"architectures":["CadreForCausalLM"],"cadre_router":{"capacity":{"by_token":false,)"
      R"("eval_factor":2.0,"minimum":4,"priority":"score","rejected_take_place":false,)"
      R"("rounds_up":true,"train_factor":1.25},"choice":{"by":"tokens","groups_scored_by":2,)"
      R"("num_groups":4,"second_expert":"threshold","second_threshold":0.2,)"
      R"("selection_bias":true,"top_groups":2},"family":"OlmoeForCausalLM","jitter":0.01,)"
      R"("logits":"attention","noise":"gaussian","num_experts":64,"renormalise":"kept",)"
      R"("scale":2.5,"scoring":"sigmoid","top_k":8},"hidden_size":2048,"model_type":"cadre"})");
  return seeds;
}

}  // namespace cadre::fuzz
