// Publishers' own formats compute what transformers computes with the same model.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "model/format.h"
#include "model/olmo_names.h"
#include "model/stored_model.h"
#include "tests/expect_error.h"
#include "tests/model/machine.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

namespace fs = std::filesystem;

const fs::path kNative = "tests/golden/native";

std::vector<float> logits(Machine& machine, const fs::path& place,
                          const std::vector<int32_t>& tokens) {
  const model::LoadedModel loaded = model::load_model(machine.ctx, place, DType::f32);
  const int64_t start = 0;
  const Tensor hidden =
      loaded.decoder->hidden(machine.ctx, model::packed_input(tokens, {&start, 1}), nullptr);
  const Tensor result = loaded.decoder->logits(machine.ctx, hidden);
  return {result.data<float>(), result.data<float>() + result.elements()};
}

model::ModelSpec spec_of(const std::string& name, const std::string& text) {
  const ScratchFolder folder;
  folder.write(name, text);
  return model::read_spec(folder.path());
}

model::ModelSpec params(const std::string& more) {
  return spec_of("params.json", R"({"dim": 32, "n_layers": 2, "hidden_dim": 20, "n_heads": 4,
                                    "n_kv_heads": 2, "norm_eps": 1e-5, "vocab_size": 48)" +
                                    more + "}");
}

}  // namespace

TEST_CASE("native formats: logits are those of transformers") {
  for (const char* name : {"mixtral", "mixtral_stacked", "mistral", "olmoe"}) {
    CAPTURE(name);
    Machine machine;
    const auto expected = io::SafetensorsFile::open(kNative / name / "expected.safetensors");
    const Tensor ids = expected->tensor("input_ids");
    const Tensor reference = expected->tensor("logits");
    const std::vector<float> got = logits(
        machine, kNative / name, {ids.data<int32_t>(), ids.data<int32_t>() + ids.elements()});
    REQUIRE(static_cast<int64_t>(got.size()) == reference.elements());
    double worst = 0.0;
    for (size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - reference.data<float>()[i]));
    }
    // f32 sums of 32 terms of size 1, in another order; measured at most 1e-6.
    CHECK(worst < 1e-5);
  }
}

TEST_CASE("torch.save shards of a Hugging Face directory are the safetensors rounded to bf16") {
  Machine machine;
  const std::vector<int32_t> tokens = {1, 7, 3, 9, 4};
  const model::LoadedModel bin = model::load_model(machine.ctx, kNative / "olmoe_bin", DType::f32);
  const model::LoadedModel plain =
      model::load_model(machine.ctx, "tests/golden/olmoe/plain", DType::f32);
  for (int64_t p = 0; p < plain.parameters->size(); ++p) {
    const auto a = bin.parameters->tensor(p).span<float>();
    const auto b = plain.parameters->tensor(p).span<float>();
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) REQUIRE(a[i] == to_f32(to_bf16(b[i])));
  }
}

TEST_CASE("params.json: what is absent takes the publisher's defaults") {
  CHECK(params("").blocks[0].attention.rope.theta == 1e6);
  CHECK(params("").blocks[0].attention.head_dim == 8);
  CHECK(params("").architecture == "MistralForCausalLM");
  CHECK(params(R"(, "rope_theta": 10000)").blocks[0].attention.rope.theta == 1e4);
  CHECK(params(R"(, "sliding_window": 7)").blocks[0].attention.window == 7);
  CHECK(params(R"(, "sliding_window": 7)").blocks[0].attention.rope.theta == 1e4);
  CHECK(params(R"(, "_sliding_window": [9, 9])").blocks[0].attention.window == 9);
  CHECK(params(R"(, "sliding_window": null)").blocks[0].attention.window == 0);
  const model::ModelSpec mixture =
      params(R"(, "moe": {"num_experts": 4, "num_experts_per_tok": 2})");
  CHECK(mixture.architecture == "MixtralForCausalLM");
  CHECK(std::get<model::MoeSpec>(mixture.blocks[1].feed_forward).router.renormalise);
  CHECK(
      contains(error_of(ErrorKind::unsupported, [] { params(R"(, "sliding_window": [9, null])"); }),
               "one window for all layers"));
  CHECK(contains(error_of(ErrorKind::corrupt_data, [] { spec_of("params.json", R"({"dim": 3})"); }),
                 "vocab_size"));
}

TEST_CASE("config.yaml of the OLMo trainer: other models than mixtures are refused by key") {
  const auto refusal = [](const std::string& model) {
    return error_of(ErrorKind::unsupported,
                    [&] { spec_of("config.yaml", "model:\n  d_model: 32\n" + model); });
  };
  CHECK(contains(refusal("  block_type: sequential\n"), "block_type"));
  CHECK(contains(refusal("  block_type: moe\n  activation_type: gelu\n"), "activation_type"));
  CHECK(contains(
      refusal("  block_type: moe\n  activation_type: swiglu\n  layer_norm_type: low_precision\n"),
      "layer_norm_type"));
  const std::string rms =
      "  block_type: moe\n  activation_type: swiglu\n  rope: true\n  attention_layer_norm: true\n";
  CHECK(contains(refusal(rms), "layer_norm_type is default, expected rms"));
  const std::string known = rms + "  layer_norm_type: rms\n";
  CHECK(contains(refusal(known + "  moe_dropless: false\n"), "moe_dropless"));
}

TEST_CASE("config.yaml of the OLMo trainer: weights of experts are divided by their sum or not") {
  const std::string golden = file_content(kNative / "olmoe" / "config.yaml");
  const std::string key = "moe_normalize_expert_weights: ";
  const auto with = [&](const std::string& value) {
    std::string text = golden;
    const size_t at = text.find(key) + key.size();
    text.replace(at, text.find('\n', at) - at, value);
    const model::ModelSpec spec = spec_of("config.yaml", text);
    return std::get<model::MoeSpec>(spec.blocks[0].feed_forward).router.renormalise;
  };
  CHECK(!with("null"));
  CHECK(!with("false"));
  CHECK(with("1"));
  CHECK(with("1.0"));
  for (const char* order : {"2", "0", "true"}) {
    CHECK(contains(error_of(ErrorKind::unsupported, [&] { with(order); }),
                   "moe_normalize_expert_weights"));
  }
}

TEST_CASE("params.json: a key that might change the model is refused by name") {
  const auto refusal = [](const std::string& more) {
    return error_of(ErrorKind::unsupported, [&] { params(more); });
  };
  CHECK(contains(refusal(R"(, "yarn": {"factor": 64})"), "params.json: yarn is not known"));
  CHECK(contains(refusal(R"(, "use_biases": true)"), "use_biases"));
  CHECK(contains(refusal(R"(, "causal": false)"), "causal"));
  CHECK(contains(refusal(R"(, "model_type": "mamba")"), "model_type"));
  CHECK(contains(
      refusal(R"(, "moe": {"num_experts": 4, "num_experts_per_tok": 2, "num_shared_experts": 1})"),
      "moe.num_shared_experts"));
  const std::string harmless =
      R"(, "use_biases": false, "yarn": null, "causal": true, "model_type": "transformer")";
  CHECK(params(harmless) == params(""));
}

TEST_CASE("names of the OLMo trainer: decoded without running them") {
  // base64 of pickle.dumps(("transformer", "wte"), 4)
  CHECK(model::decode_olmo_name("gASVGAAAAAAAAACMC3RyYW5zZm9ybWVylIwDd3RllIaULg==") ==
        "transformer.wte");
  CHECK(!model::decode_olmo_name("transformer.wte.weight"));
  CHECK(!model::decode_olmo_name(""));
  CHECK(!model::decode_olmo_name("abcd"));
  // base64 of b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R."
  CHECK(contains(error_of(ErrorKind::unsupported,
                          [] { model::decode_olmo_name("gAJjcG9zaXgKc3lzdGVtClgCAAAAbHOFUi4="); }),
                 "posix.system"));
}

TEST_CASE("native formats: a directory without its weights says which files were looked for") {
  for (const auto& [name, config, missing] :
       {std::tuple("mixtral", "params.json", "consolidated.safetensors"),
        std::tuple("olmoe", "config.yaml", "model.safetensors")}) {
    const ScratchFolder folder;
    fs::copy_file(kNative / name / config, folder / config);
    const model::ModelSpec spec = model::read_spec(folder.path());
    CHECK(
        contains(error_of(ErrorKind::not_found, [&] { model::open_weights(folder.path(), spec); }),
                 missing));
  }
}

}  // namespace cadre
