// Hugging Face directories: what goes in comes out, and what does not fit is refused by name.
#include "model/hf.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

#include "core/base/file.h"
#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "tests/model/golden_case.h"
#include "tests/model/machine.h"

namespace cadre {
namespace {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "cadre-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void export_to(Machine& machine, const fs::path& from, const fs::path& to,
               int64_t max_shard_bytes) {
  const model::LoadedModel loaded = model::load_model(machine.ctx, from, DType::f32);
  model::save_model(machine.ctx, to, loaded.decoder->spec(),
                    {.dtype = DType::f32, .max_shard_bytes = max_shard_bytes},
                    [&](int64_t index) { return loaded.parameters->tensor(index); });
}

void check_equal_tensors(const fs::path& a, const fs::path& b) {
  const io::SafetensorsSet left = io::SafetensorsSet::open(a);
  const io::SafetensorsSet right = io::SafetensorsSet::open(b);
  CHECK(left.names() == right.names());
  for (const std::string& name : left.names()) {
    const Tensor x = left.tensor(name);
    const Tensor y = right.tensor(name);
    REQUIRE(x.shape() == y.shape());
    REQUIRE(std::memcmp(x.raw(), y.raw(), static_cast<size_t>(x.bytes())) == 0);
  }
}

// The plain case with its tensors changed, as one file.
void write_variant(const fs::path& folder,
                   const std::function<void(std::map<std::string, Tensor>&)>& change) {
  const fs::path plain = "tests/golden/olmoe/plain";
  const io::SafetensorsSet source = io::SafetensorsSet::open(plain);
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : source.names()) tensors[name] = source.tensor(name);
  change(tensors);
  fs::copy_file(plain / "config.json", folder / "config.json");
  io::write_safetensors(folder / "model.safetensors", tensors);
}

void check_refused(ErrorKind kind, const std::string& message,
                   const std::function<void(std::map<std::string, Tensor>&)>& change) {
  const TemporaryFolder folder;
  write_variant(folder.path(), change);
  Machine machine;
  try {
    model::load_model(machine.ctx, folder.path(), DType::f32);
    FAIL("was not refused: " << message);
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    CHECK(std::string(error.what()).find(message) != std::string::npos);
    CHECK(std::string(error.what()).find(folder.path().string()) != std::string::npos);
  }
}

model::ModelSpec spec_of(const std::string& config) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "config.json", config);
  return model::read_spec(folder.path());
}

}  // namespace

TEST_CASE("Hugging Face: import then export gives equal bytes, sharded or not") {
  for (const std::string& name : olmoe_cases()) {
    if (name == "olmoe/packed_experts") continue;  // written unpacked, see below
    for (const int64_t shard : {int64_t{1} << 30, int64_t{4096}}) {
      CAPTURE(name);
      CAPTURE(shard);
      Machine machine;
      const TemporaryFolder folder;
      const fs::path source = fs::path("tests/golden") / name;
      export_to(machine, source, folder.path(), shard);
      check_equal_tensors(source, folder.path());
      const model::ModelSpec a = model::read_spec(source);
      const model::ModelSpec b = model::read_spec(folder.path());
      CHECK(a.blocks == b.blocks);
      CHECK(a.vocab_size == b.vocab_size);
      CHECK(a.rms_norm_eps == b.rms_norm_eps);
      CHECK(a.eos_token_id == b.eos_token_id);
      CHECK(a.pad_token_id == b.pad_token_id);
    }
  }
}

TEST_CASE("Hugging Face: packed experts are the same model as unpacked ones") {
  Machine machine;
  const TemporaryFolder folder;
  const fs::path source = "tests/golden/olmoe/packed_experts";
  export_to(machine, source, folder.path(), int64_t{1} << 30);
  CHECK(io::SafetensorsSet::open(folder.path())
            .contains("model.layers.0.mlp.experts.0.gate_proj.weight"));
  const auto packed = model::load_model(machine.ctx, source, DType::f32);
  const auto unpacked = model::load_model(machine.ctx, folder.path(), DType::f32);
  for (int64_t p = 0; p < packed.parameters->size(); ++p) {
    const Tensor& x = packed.parameters->tensor(p);
    CHECK(std::memcmp(x.raw(), unpacked.parameters->tensor(p).raw(),
                      static_cast<size_t>(x.bytes())) == 0);
  }
}

TEST_CASE("Hugging Face: a tensor that is missing, left over or misshapen is named") {
  check_refused(
      ErrorKind::corrupt_data, "\"model.layers.0.mlp.experts.2.up_proj.weight\" is missing",
      [](auto& tensors) { tensors.erase("model.layers.0.mlp.experts.2.up_proj.weight"); });
  check_refused(ErrorKind::corrupt_data, "\"model.layers.0.self_attn.q_proj.bias\"",
                [](auto& tensors) {
                  tensors["model.layers.0.self_attn.q_proj.bias"] = Tensor::zeros({4}, DType::f32);
                });
  check_refused(
      ErrorKind::corrupt_data, "\"model.norm.weight\" is [3], expected [",
      [](auto& tensors) { tensors["model.norm.weight"] = Tensor::zeros({3}, DType::f32); });
  check_refused(ErrorKind::unsupported, "\"model.norm.weight\" is i32", [](auto& tensors) {
    tensors["model.norm.weight"] = Tensor::zeros(tensors["model.norm.weight"].shape(), DType::i32);
  });
}

TEST_CASE("config.json: missing keys take the reference's class defaults") {
  const model::ModelSpec spec = spec_of(R"({"architectures": ["OlmoeForCausalLM"]})");
  const auto& moe = std::get<model::MoeSpec>(spec.blocks.front().feed_forward);
  CHECK(moe.expert.intermediate_size == 2048);  // not the published 1024
  CHECK(moe.router.num_experts == 64);
  CHECK(spec.vocab_size == 50304);
  CHECK(spec.num_layers() == 16);
  CHECK(spec.eos_token_id == 50279);
  CHECK(spec.router_aux_loss_coef == doctest::Approx(0.01));
}

TEST_CASE("config.json: the rotary base is read where either generation of files keeps it") {
  const auto theta = [](const std::string& keys) {
    return spec_of(R"({"model_type": "olmoe")" + keys + "}").blocks.front().attention.rope.theta;
  };
  CHECK(theta("") == 10000.0);
  CHECK(theta(R"(, "rope_theta": 1000000)") == 1e6);
  CHECK(theta(R"(, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0})") == 500.0);
}

TEST_CASE("config.json: what cannot be computed as published is refused, naming the key") {
  const auto refusal = [](const std::string& config) -> std::string {
    try {
      spec_of(config);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  const auto olmoe = [&](const std::string& keys) {
    return refusal(R"({"architectures": ["OlmoeForCausalLM"], )" + keys + "}");
  };
  CHECK(olmoe(R"("hidden_act": "gelu")").find("hidden_act") != std::string::npos);
  CHECK(olmoe(R"("rope_scaling": {"type": "linear"})").find("rope_scaling") != std::string::npos);
  CHECK(olmoe(R"("num_key_value_heads": 3)").find("num_key_value_heads") != std::string::npos);
  CHECK(olmoe(R"("num_experts_per_tok": 65)").find("num_experts_per_tok") != std::string::npos);
  CHECK(olmoe(R"("num_hidden_layers": 1e15)").find("num_hidden_layers") != std::string::npos);
  CHECK(olmoe(R"("hidden_size": "big")").find("hidden_size") != std::string::npos);
  CHECK(refusal(R"({"architectures": ["T5Model"]})").find("T5Model") != std::string::npos);
  CHECK(refusal("{}").find("not supported") != std::string::npos);
  CHECK(refusal("[1, 2]").find("expected an object") != std::string::npos);
}

}  // namespace cadre
