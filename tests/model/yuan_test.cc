// Yuan 2.0 against a plain PyTorch model (tests/golden/make_yuan.py), and what its configuration
// and its files mean.
#include "model/families/yuan.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "core/base/file.h"
#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "model/cost.h"
#include "model/hf.h"
#include "tests/model/family_golden.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

namespace fs = std::filesystem;
using Tensors = std::map<std::string, Tensor>;

model::ModelSpec spec_of(const std::string& keys) {
  const GoldenFolder folder;
  write_file_atomically(folder.path() / "config.json",
                        R"({"architectures": ["YuanForCausalLM"])" + keys + "}");
  return model::read_spec(folder.path());
}

std::string refusal(const std::string& keys) {
  try {
    spec_of(keys);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

// As published.
model::ModelSpec published() {
  const std::string_view keys = model::kYuan.published;
  return spec_of("," + std::string(keys.substr(1, keys.size() - 2)));
}

const model::MoeSpec& moe_of(const model::ModelSpec& spec) {
  return std::get<model::MoeSpec>(spec.blocks.front().feed_forward);
}

// A golden model with its tensors changed.
model::LoadedModel variant(Machine& machine, const fs::path& folder, const std::string& name,
                           const std::function<void(Tensors&)>& change) {
  const fs::path source = fs::path("tests/golden") / name;
  const io::SafetensorsSet files = io::SafetensorsSet::open(source);
  Tensors tensors;
  for (const std::string& tensor : files.names()) {
    const Tensor old = files.tensor(tensor);
    tensors[tensor] = Tensor::empty(old.shape(), old.dtype());
    std::memcpy(tensors[tensor].raw(), old.raw(), static_cast<size_t>(old.bytes()));
  }
  change(tensors);
  fs::copy_file(source / "config.json", folder / "config.json",
                fs::copy_options::overwrite_existing);
  io::write_safetensors(folder / "model.safetensors", tensors);
  return model::load_model(machine.ctx, folder, DType::f32);
}

// [H, Dh] of row 0 of a projection after loading, for tensors whose element 0 of each row is
// marked.
std::vector<float> first_column(const Tensor& weight) {
  std::vector<float> column;
  for (int64_t row = 0; row < weight.dim(0); ++row) {
    column.push_back(weight.data<float>()[row * weight.dim(1)]);
  }
  return column;
}

}  // namespace

TEST_CASE("Yuan: logits and routing are those of the reference, with every kernel table") {
  for (const std::string& name : yuan_cases()) check_golden_logits(name);
}

TEST_CASE("Yuan: losses and every gradient are those of the reference") {
  for (const std::string& name : yuan_cases()) check_golden_gradients(name);
}

TEST_CASE("Yuan: import then export gives equal bytes, the tied head included, and an equal spec") {
  for (const std::string& name : yuan_cases()) check_golden_round_trip(name);
}

TEST_CASE("Yuan: the published configuration has the published counts") {
  const model::ModelSpec spec = published();
  const model::ModelCost cost = model::cost(spec);
  CHECK(cost.total_parameters == 39942842368);
  CHECK(cost.active_parameters == 3704055808);
  CHECK(cost.kv_cache_bytes_per_token == 393216);
  CHECK(cost.filter_state_bytes_per_sequence == 147456);
  CHECK(cost.forward_flops_per_token == doctest::Approx(7.4e9).epsilon(0.005));
  CHECK(cost.training_flops_per_token == doctest::Approx(22.2e9).epsilon(0.005));
  const model::AttentionSpec& attention = spec.blocks.front().attention;
  CHECK(attention.head_dim == 256);
  CHECK(attention.rotary_dim() == 128);
  CHECK(attention.filter->inner_size == 1024);
  CHECK(attention.filter->eps == 1e-6);
  CHECK(moe_of(spec).router.kind == model::RouterKind::attention);
  CHECK(spec.eos_token_id == 77185);
}

TEST_CASE("Yuan: the eps of filters is not that of the other norms") {
  const model::ModelSpec spec = spec_of(R"(, "rms_norm_eps": 0.001)");
  CHECK(spec.rms_norm_eps == 1e-3);
  CHECK(spec.blocks.front().attention.filter->eps == 1e-6);
}

TEST_CASE("Yuan: the rotation has its base and its precision from keys that may be missing") {
  const auto rope = [](const std::string& keys) {
    return spec_of(keys).blocks.front().attention.rope;
  };
  CHECK(rope("").theta == 10000.0);
  CHECK(rope("").precision == ops::RopePrecision::f32);
  CHECK(rope(R"(, "rotary_base": 40890)").theta == 40890.0);
  CHECK(rope(R"(, "rotary_precision": "bf16_freq")").precision ==
        ops::RopePrecision::bf16_frequency);
  CHECK(rope(R"(, "rotary_precision": "bf16_all")").precision == ops::RopePrecision::bf16);
  CHECK(refusal(R"(, "rotary_precision": "f16")").find("rotary_precision") != std::string::npos);
}

TEST_CASE("Yuan: without a mixture the layers are dense and the whole head turns") {
  const model::ModelSpec spec = spec_of(
      R"(, "use_moe": false, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 80)");
  CHECK(std::get<model::MlpSpec>(spec.blocks.front().feed_forward).intermediate_size == 80);
  CHECK(spec.blocks.front().attention.rotary_dim() == 16);
  CHECK(spec.blocks.front().attention.head_dim == 16);
}

TEST_CASE("Yuan: what cannot be computed as published is refused, naming the key") {
  const auto names = [](const std::string& keys, const std::string& key) {
    CAPTURE(refusal(keys));
    return refusal(keys).find(key) != std::string::npos;
  };
  CHECK(names(R"(, "use_shareqk": true)", "use_shareqk"));
  CHECK(names(R"(, "use_yarn": true)", "use_yarn"));
  CHECK(names(R"(, "causal_mask": false)", "causal_mask"));
  CHECK(names(R"(, "hidden_act": "relu")", "hidden_act"));
  CHECK(names(R"(, "use_moe": true)", "use_moe"));
  CHECK(names(R"(, "hidden_size": 2047)", "hidden_size"));
  CHECK(names(R"(, "attention_projection_size": 4097)", "num_attention_heads"));
  CHECK(names(R"(, "moe_config": {"moe_num_experts": 8, "gated_linear_unit": false})",
              "gated_linear_unit"));
  CHECK(names(R"(, "moe_config": {"moe_num_experts": 8, "moe_top_k": 9})", "num_experts_per_tok"));
  CHECK(names(R"(, "moe_config": {"moe_num_experts": 60000})", "attention router"));
}

TEST_CASE("Yuan: heads of the first half have query and key in q_proj, the others in k_proj") {
  for (const std::string name : {"yuan/m32", "yuan/odd_untied"}) {
    CAPTURE(name);
    Machine machine;
    const GoldenFolder folder;
    const auto loaded = variant(machine, folder.path(), name, [](Tensors& tensors) {
      for (const char* projection : {"q", "k"}) {
        const Tensor& weight =
            tensors[std::string("model.layers.0.self_attn.") + projection + "_proj.weight"];
        for (int64_t row = 0; row < weight.dim(0); ++row) {
          const auto mark = static_cast<float>(row + (*projection == 'k' ? weight.dim(0) : 0));
          weight.data<float>()[row * weight.dim(1)] = mark;
        }
      }
    });
    const model::AttentionSpec& spec = loaded.decoder->spec().blocks.front().attention;
    const auto query = first_column(loaded.parameters->tensor("blocks.0.attention.query"));
    const auto key = first_column(loaded.parameters->tensor("blocks.0.attention.key"));
    for (int64_t head = 0; head < spec.num_heads; ++head) {
      for (int64_t i = 0; i < spec.head_dim; ++i) {
        const auto at = static_cast<size_t>(head * spec.head_dim + i);
        CHECK(query[at] == static_cast<float>(2 * head * spec.head_dim + i));
        CHECK(key[at] == static_cast<float>((2 * head + 1) * spec.head_dim + i));
      }
    }
  }
}

TEST_CASE("Yuan: without the turns of heads the model would be another") {
  Machine machine;
  const GoldenFolder folder;
  const GoldenCase golden("yuan/m32");
  // What a reader without them would take for queries and keys, stored so that ours sees it.
  const auto loaded = variant(machine, folder.path(), "yuan/m32", [](Tensors& tensors) {
    Tensor& q = tensors["model.layers.0.self_attn.q_proj.weight"];
    Tensor& k = tensors["model.layers.0.self_attn.k_proj.weight"];
    const int64_t rows = q.dim(0) / 4;  // of a head
    const Tensor both[2] = {Tensor::empty(q.shape(), DType::f32),
                            Tensor::empty(q.shape(), DType::f32)};
    for (int64_t block = 0; block < 8; ++block) {
      const Tensor& from = block % 2 == 0 ? q : k;
      const Tensor source = from.slice(block / 2 * rows, (block / 2 + 1) * rows);
      std::memcpy(both[block / 4].slice(block % 4 * rows, (block % 4 + 1) * rows).raw(),
                  source.raw(), static_cast<size_t>(source.bytes()));
    }
    q = both[0];
    k = both[1];
  });
  const Tensor hidden = loaded.decoder->hidden(machine.ctx, golden.input(), nullptr);
  const Tensor logits = loaded.decoder->logits(machine.ctx, hidden);
  CHECK(max_difference(logits, golden.expected("logits"), golden) > 1e-2);
}

TEST_CASE("Yuan: a head stored beside tied embeddings is read over, whatever it holds") {
  Machine machine;
  const GoldenFolder folder;
  const GoldenCase golden("yuan/m32");
  const auto loaded = variant(machine, folder.path(), "yuan/m32", [](Tensors& tensors) {
    const Tensor& head = tensors["lm_head.weight"];
    std::memset(head.raw(), 0, static_cast<size_t>(head.bytes()));
  });
  const Tensor hidden = loaded.decoder->hidden(machine.ctx, golden.input(), nullptr);
  const Tensor logits = loaded.decoder->logits(machine.ctx, hidden);
  CHECK(max_difference(logits, golden.expected("logits"), golden) < 1e-4);
}

TEST_CASE("Yuan: a constant added to all keys of the router leaves the routing as it is") {
  Machine machine;
  const GoldenCase golden("yuan/m32");
  const auto weights = [&](const std::string& tensor, float constant) {
    const GoldenFolder folder;
    const auto loaded = variant(machine, folder.path(), "yuan/m32", [&](Tensors& tensors) {
      // The same row added to the rows of all experts adds the same number to all components.
      const Tensor& gate = tensors["model.layers.0.mlp.gate." + tensor + ".weight"];
      for (int64_t i = 0; i < gate.elements(); ++i) gate.data<float>()[i] += constant;
    });
    nn::ForwardTrace trace;
    loaded.decoder->hidden(machine.ctx, golden.input(), &trace);
    const Tensor& w = trace.routers[0].weights;
    return std::vector<float>(w.data<float>(), w.data<float>() + w.elements());
  };
  const std::vector<float> plain = weights("key", 0.0f);
  for (const std::string tensor : {"key", "value"}) {
    CAPTURE(tensor);
    const std::vector<float> moved = weights(tensor, 0.05f);
    for (size_t i = 0; i < plain.size(); ++i) {
      CHECK(moved[i] == doctest::Approx(plain[i]).epsilon(1e-4));
    }
  }
  const std::vector<float> other = weights("query", 0.05f);
  CHECK(relative_norm(other.data(), plain.data(), static_cast<int64_t>(plain.size())) > 1e-3);
}

TEST_CASE("Yuan: packed documents do not see each other, unless filters may look over the border") {
  Machine machine;
  const auto loaded = model::load_model(machine.ctx, "tests/golden/yuan/m32", DType::f32);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 30; ++i) tokens.push_back((i * i + 3 * i) % 61);
  const std::vector<int64_t> starts = {0, 11, 12};
  nn::ForwardInput packed = model::packed_input(tokens, starts);
  const Tensor together = loaded.decoder->hidden(machine.ctx, packed, nullptr);
  const std::vector<int64_t> only = {0};
  const Tensor alone = loaded.decoder->hidden(
      machine.ctx, model::packed_input({tokens.begin() + 12, tokens.end()}, only), nullptr);
  CHECK(std::memcmp(alone.raw(), together.slice(12, 30).raw(),
                    static_cast<size_t>(alone.bytes())) == 0);
  // As the published training code: attention and positions start anew, filters do not.
  packed.filter_segments = model::packed_input(tokens, only).segments;
  const Tensor leaking = loaded.decoder->hidden(machine.ctx, packed, nullptr);
  const Tensor second = leaking.slice(12, 30);
  CHECK(relative_norm(second.data<float>(), alone.data<float>(), alone.elements()) > 1e-3);
  CHECK(std::memcmp(leaking.raw(), together.raw(), static_cast<size_t>(11 * 16 * 4)) == 0);
}

}  // namespace cadre
