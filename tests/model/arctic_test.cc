// Snowflake Arctic against a plain PyTorch model (tests/golden/make_arctic.py), and what its
// configuration means.
#include "model/families/arctic.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "core/base/file.h"
#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "model/convert.h"
#include "model/cost.h"
#include "model/hf.h"
#include "tests/model/family_golden.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

model::ModelSpec spec_of(const std::string& keys) {
  const GoldenFolder folder;
  write_file_atomically(folder.path() / "config.json",
                        R"({"architectures": ["ArcticForCausalLM"])" + keys + "}");
  return model::read_spec(folder.path());
}

// As published.
model::ModelSpec published() {
  const std::string_view keys = model::kArctic.published;
  return spec_of("," + std::string(keys.substr(1, keys.size() - 2)));
}

const model::MoeSpec& moe_of(const model::BlockSpec& block) {
  return std::get<model::MoeSpec>(block.feed_forward);
}

model::ModelSpec tiny_hybrid() {
  model::ModelSpec spec = tiny_spec();
  for (model::BlockSpec& block : spec.blocks) {
    block.residual_mlp = model::MlpSpec{spec.hidden_size};
    block.attention.qk_norm = model::QkNorm::none;
  }
  return spec;
}

Tensor hidden_of(Context& ctx, const model::ModelSpec& spec,
                 std::shared_ptr<const model::Parameters> parameters) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back((7 * i + i * i) % 61);
  const int64_t start = 0;
  return model::Decoder(spec, std::move(parameters))
      .hidden(ctx, model::packed_input(tokens, {&start, 1}), nullptr);
}

}  // namespace

TEST_CASE("Arctic: logits and routing are those of the reference, with every kernel table") {
  for (const std::string& name : arctic_cases()) check_golden_logits(name);
}

TEST_CASE("Arctic: losses and every gradient are those of the reference") {
  for (const std::string& name : arctic_cases()) check_golden_gradients(name);
}

TEST_CASE("Arctic: import then export gives equal bytes and an equal spec") {
  for (const std::string& name : arctic_cases()) check_golden_round_trip(name);
}

TEST_CASE("Arctic: the published configuration has the published counts") {
  const model::ModelCost cost = model::cost(published());
  CHECK(cost.total_parameters == 478584608768);
  CHECK(cost.active_parameters == 17318647808);
  CHECK(cost.kv_cache_bytes_per_token == 143360);
  CHECK(cost.filter_state_bytes_per_sequence == 0);
  CHECK(cost.forward_flops_per_token == doctest::Approx(34.6e9).epsilon(0.005));
  CHECK(cost.training_flops_per_token == doctest::Approx(103.9e9).epsilon(0.005));
}

TEST_CASE("Arctic: missing keys take the reference's class defaults, which are Mixtral's") {
  const model::ModelSpec spec = spec_of("");
  CHECK(spec.hidden_size == 4096);
  CHECK(spec.num_layers() == 32);
  CHECK(spec.vocab_size == 32000);
  CHECK(spec.max_positions == 4096);
  CHECK(spec.blocks[0].attention.rope.theta == 1e6);
  CHECK(spec.blocks[0].attention.num_kv_heads == 32);
  // Every second layer is a mixture of 8 with one expert a token, not renormalised.
  CHECK(std::get<model::MlpSpec>(spec.blocks[0].feed_forward).intermediate_size == 14336);
  CHECK(moe_of(spec.blocks[1]).router.num_experts == 8);
  CHECK(moe_of(spec.blocks[1]).router.top_k == 1);
  CHECK_FALSE(moe_of(spec.blocks[1]).router.renormalise);
  CHECK_FALSE(spec.blocks[1].residual_mlp.has_value());
}

TEST_CASE("Arctic: with parallel_attn_mlp_res the layers with a mixture are hybrid, others not") {
  const model::ModelSpec spec = spec_of(
      R"(, "parallel_attn_mlp_res": true, "num_hidden_layers": 4, "num_experts_per_tok": 2)");
  CHECK_FALSE(spec.blocks[0].residual_mlp.has_value());
  REQUIRE(spec.blocks[1].residual_mlp.has_value());
  CHECK(spec.blocks[1].residual_mlp->intermediate_size == 4096);
  CHECK(moe_of(spec.blocks[1]).router.renormalise);
}

TEST_CASE("Arctic: what cannot be computed as published is refused, naming the key") {
  const auto refusal = [](const std::string& keys) -> std::string {
    try {
      spec_of(keys);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  const auto names = [&](const std::string& keys, const std::string& key) {
    return refusal(keys).find(key) != std::string::npos;
  };
  CHECK(names(R"(, "hidden_act": "gelu")", "hidden_act"));
  CHECK(names(R"(, "moe_layer_frequency": 0)", "moe_layer_frequency"));
  CHECK(names(R"(, "moe_layer_frequency": -3)", "moe_layer_frequency"));
  CHECK(names(R"(, "parallel_attn_mlp_res": true, "use_residual": false)", "use_residual"));
  CHECK(names(R"(, "num_attention_heads": 0)", "num_attention_heads"));
  CHECK(names(R"(, "num_experts_per_tok": 9)", "num_experts_per_tok"));
  CHECK(names(R"(, "rope_scaling": {"type": "yarn"})", "rope_scaling"));
}

TEST_CASE("Arctic: key/value heads are those of the tensors, and a note says so") {
  namespace fs = std::filesystem;
  const GoldenFolder folder;
  const fs::path source = "tests/golden/arctic/parallel";
  fs::copy_file(source / "model.safetensors", folder.path() / "model.safetensors");
  const auto with_heads = [&](const std::string& heads) {
    std::string config = read_text_file(source / "config.json");
    const std::string key = "\"num_key_value_heads\": ";
    const size_t at = config.find(key) + key.size();
    config.replace(at, config.find(',', at) - at, heads);
    write_file_atomically(folder.path() / "config.json", config);
    return model::read_spec(folder.path());
  };
  CHECK(with_heads("2").notes.empty());
  const model::ModelSpec spec = with_heads("6");
  CHECK(spec.blocks[1].attention.num_kv_heads == 2);
  REQUIRE(spec.notes.size() == 1);
  CHECK(spec.notes[0].find("num_key_value_heads = 6") != std::string::npos);
  Machine machine;
  const model::LoadedModel loaded = model::load_model(machine.ctx, folder.path(), DType::f32);
  const GoldenCase golden("arctic/parallel");
  const Tensor hidden = loaded.decoder->hidden(machine.ctx, golden.input(), nullptr);
  CHECK(max_difference(loaded.decoder->logits(machine.ctx, hidden), golden.expected("logits"),
                       golden) < 1e-4);
}

TEST_CASE("Arctic: under the names that DeepSpeed trains with it is the same model") {
  namespace fs = std::filesystem;
  for (const std::string name : {"parallel", "every_third"}) {
    CAPTURE(name);
    const fs::path source = fs::path("tests/golden/arctic") / name;
    std::map<std::string, Tensor> tensors;
    const io::SafetensorsSet set = io::SafetensorsSet::open(source);
    int64_t renamed = 0;
    for (const std::string& published : set.names()) {
      std::string trained = published;
      const auto put = [&](std::string_view from, std::string_view to) {
        const size_t at = trained.find(from);
        if (at == std::string::npos) return;
        trained.replace(at, from.size(), to);
        ++renamed;
      };
      put("block_sparse_moe.gate.", "block_sparse_moe.mlp.deepspeed_moe.gate.wg.");
      put("block_sparse_moe.experts.",
          "block_sparse_moe.mlp.deepspeed_moe.experts.deepspeed_experts.");
      tensors[trained] = set.tensor(published);
    }
    CHECK(renamed > 0);
    const GoldenFolder folder;
    fs::copy_file(source / "config.json", folder.path() / "config.json");
    io::write_safetensors(folder.path() / "model.safetensors", tensors);
    const model::ModelSpec spec = model::read_spec(folder.path());
    Machine machine;
    const auto published = model::open_weights(source, spec);
    const auto trained = model::open_weights(folder.path(), spec);
    model::expect_same_weights(machine.ctx, *published, *trained, [](int64_t, int64_t) {});
  }
}

TEST_CASE("Arctic: the mixture reads the input of the block, not what attention made of it") {
  Machine machine;
  const model::ModelSpec hybrid = tiny_hybrid();
  model::ModelSpec sequential = hybrid;
  for (model::BlockSpec& block : sequential.blocks) block.residual_mlp.reset();
  const auto parameters = random_parameters(machine.ctx, hybrid, DType::f32, 1);
  // Without its residual MLP the hybrid block differs from the sequential one in that alone.
  for (int64_t p = 0; p < parameters->size(); ++p) {
    const std::string& name = parameters->specs()[static_cast<size_t>(p)].name;
    const Tensor& tensor = parameters->tensor(p);
    if (name.find("residual_mlp.down") == std::string::npos) continue;
    std::memset(tensor.raw(), 0, static_cast<size_t>(tensor.bytes()));
  }
  const Tensor a = hidden_of(machine.ctx, hybrid, parameters);
  const Tensor b =
      hidden_of(machine.ctx, sequential, random_parameters(machine.ctx, sequential, DType::f32, 1));
  CHECK(relative_norm(a.data<float>(), b.data<float>(), a.elements()) > 0.05);
}

TEST_CASE("Arctic: without the output of its experts a hybrid block is a dense pre-norm block") {
  Machine machine;
  const model::ModelSpec hybrid = tiny_hybrid();
  model::ModelSpec dense = hybrid;
  for (model::BlockSpec& block : dense.blocks) {
    block.residual_mlp.reset();
    block.feed_forward = model::MlpSpec{dense.hidden_size};
  }
  const auto parameters = random_parameters(machine.ctx, hybrid, DType::f32, 1);
  const auto plain = random_parameters(machine.ctx, dense, DType::f32, 1);
  const auto copy = [&](const std::string& from, const std::string& to) {
    std::memcpy(plain->tensor(to).raw(), parameters->tensor(from).raw(),
                static_cast<size_t>(plain->tensor(to).bytes()));
  };
  for (const std::string layer : {"blocks.0.", "blocks.1."}) {
    const Tensor& down = parameters->tensor(layer + "experts.down");
    std::memset(down.raw(), 0, static_cast<size_t>(down.bytes()));
    copy(layer + "residual_norm", layer + "feed_forward_norm");
    copy(layer + "residual_mlp.gate_up", layer + "mlp.gate_up");
    copy(layer + "residual_mlp.down", layer + "mlp.down");
  }
  const Tensor a = hidden_of(machine.ctx, hybrid, parameters);
  const Tensor b = hidden_of(machine.ctx, dense, plain);
  CHECK(std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0);
}

}  // namespace cadre
