// GGUF files of models: what goes in comes out.
#include "core/io/gguf.h"

#include <doctest/doctest.h>

#include "core/kernels/quantise.h"
#include "model/gguf/spec.h"
#include "tests/expect_error.h"
#include "tests/model/gguf_case.h"
#include "tests/model/golden_case.h"
#include "tests/model/machine.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

struct Model {
  std::string architecture;
  bool sparse;
};
const std::vector<Model> kModels = {{"llama", false}, {"llama", true},    {"olmoe", true},
                                    {"olmo2", false}, {"qwen2moe", true}, {"arctic", true}};

TEST_CASE("gguf: a model of every architecture comes back, spec and values") {
  const ScratchFolder folder;
  Machine machine;
  for (const Model& model : kModels) {
    CAPTURE(model.architecture);
    const model::ModelSpec spec = gguf_model(model.architecture, model.sparse);
    const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
    const auto file =
        write_gguf(machine.ctx, folder / "m.gguf", spec, *parameters, {.matrices = DType::f32});
    CHECK(model::read_spec(file) == spec);
    const auto weights = model::open_weights(file, spec);
    for (int64_t p = 0; p < parameters->size(); ++p) {
      const Tensor& expected = parameters->tensor(p);
      CAPTURE(parameters->specs()[static_cast<size_t>(p)].name);
      const Tensor found = machine.ctx.empty(expected.shape(), DType::f32);
      weights->read(machine.ctx, p, {0, expected.elements()}, DType::f32, found.raw());
      CHECK(same_values(found, expected));
    }
  }
}

TEST_CASE("gguf: rows of queries lie in pairs where the architecture turns neighbours") {
  const ScratchFolder folder;
  Machine machine;
  const model::ModelSpec spec = gguf_model("llama", true);
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  write_gguf(machine.ctx, folder / "m.gguf", spec, *parameters, {.matrices = DType::f32});
  const auto file = io::GgufFile::open(folder / "m.gguf");
  const Tensor theirs = file->tensor(*file->find("blk.1.attn_k.weight"));
  const Tensor& ours = parameters->tensor("blocks.1.attention.key");
  for (int64_t head = 0; head < 2; ++head) {
    for (int64_t i = 0; i < 8; ++i) {
      for (int64_t s = 0; s < 2; ++s) {
        const int64_t their_row = head * 16 + 2 * i + s;
        const int64_t our_row = head * 16 + i + s * 8;
        CHECK(
            same_values(theirs.slice(their_row, their_row + 1), ours.slice(our_row, our_row + 1)));
      }
    }
  }
}

TEST_CASE("gguf: quantised weights have the values of their blocks, whatever range is read") {
  const ScratchFolder folder;
  Machine machine;
  Context& ctx = machine.ctx;
  const model::ModelSpec spec = gguf_model("llama", true);
  const auto parameters = random_parameters(ctx, spec, DType::f32, 1);
  for (const BlockType type : {BlockType::q8_0, BlockType::q4_0}) {
    const auto file = write_gguf(ctx, folder / "m.gguf", spec, *parameters, {.matrices = type});
    CHECK(model::stored_dtype(file, spec) == DType::f32);
    const auto weights = model::open_weights(file, spec);
    for (int64_t p = 0; p < parameters->size(); ++p) {
      const model::ParameterSpec& parameter = parameters->specs()[static_cast<size_t>(p)];
      CAPTURE(parameter.name);
      const Tensor& exact = parameters->tensor(p);
      const bool kept = exact.rank() == 1 || parameter.kind == model::ParameterKind::router;
      const bool sensitive = parameter.kind == model::ParameterKind::embedding ||
                             parameter.kind == model::ParameterKind::head;
      Tensor expected = exact;
      if (!kept) {
        const BlockType own = sensitive ? BlockType::q8_0 : type;
        const BlockLayout layout = block_layout(own);
        const int64_t blocks = exact.elements() / layout.elements;
        std::vector<std::byte> bytes(static_cast<size_t>(blocks * layout.bytes));
        kernels::scalar_table().quantise({exact.data<float>(), bytes.data(), own}, {0, blocks});
        expected = ctx.empty(exact.shape(), DType::f32);
        kernels::scalar_table().dequantise({bytes.data(), own, expected.data<float>()},
                                           {0, blocks});
        CHECK(!same_values(expected, exact));
      }
      const Tensor found = ctx.empty(exact.shape(), DType::f32);
      const int64_t n = exact.elements();
      for (const Range range : {Range{0, n / 3}, Range{n / 3, n / 3 + 1}, Range{n / 3 + 1, n}}) {
        weights->read(ctx, p, range, DType::f32, found.data<float>() + range.begin);
      }
      CHECK(same_values(found, expected));
    }
  }
}

TEST_CASE("gguf: vectors and routers stay in f32 and types are as asked") {
  const ScratchFolder folder;
  Machine machine;
  const model::ModelSpec spec = gguf_model("olmoe", true);
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  for (const char* name : {"f32", "bf16", "f16", "q8_0", "q4_0"}) {
    write_gguf(machine.ctx, folder / "m.gguf", spec, *parameters,
               {.matrices = model::gguf_type_from_name(name), .name = "small"});
    const auto file = io::GgufFile::open(folder / "m.gguf");
    const auto type = [&](const char* tensor) { return file->find(tensor)->type->stored; };
    CHECK(type("output_norm.weight") == io::StoredType(DType::f32));
    CHECK(type("blk.0.ffn_gate_inp.weight") == io::StoredType(DType::f32));
    CHECK(type("blk.0.ffn_up_exps.weight") == model::gguf_type_from_name(name));
    CHECK(file->find("blk.0.ffn_up_exps.weight")->shape == Shape{6, 96, 64});
    CHECK(file->string("general.name") == "small");
    CHECK(file->integer("tokenizer.ggml.eos_token_id") == 3);
  }
  CHECK(contains(error_of(ErrorKind::invalid_input, [] { model::gguf_type_from_name("q5_k"); }),
                 "f32, bf16, f16, q8_0, q4_0"));
}

TEST_CASE("gguf: rows that are not whole blocks are stored in f16") {
  const ScratchFolder folder;
  Machine machine;
  model::ModelSpec spec = gguf_model("llama", false);
  std::get<model::MlpSpec>(spec.blocks[0].feed_forward).intermediate_size = 40;
  spec.blocks[1] = spec.blocks[0];
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  write_gguf(machine.ctx, folder / "m.gguf", spec, *parameters, {.matrices = BlockType::q8_0});
  const auto file = io::GgufFile::open(folder / "m.gguf");
  CHECK(file->find("blk.0.ffn_down.weight")->type->name == "F16");
  CHECK(file->find("blk.0.ffn_up.weight")->type->name == "Q8_0");
}

// The logits of a sequence, from any format.
Tensor logits_of(Machine& machine, const std::filesystem::path& place) {
  const model::LoadedModel loaded = model::load_model(machine.ctx, place, DType::f32);
  const int64_t start = 0;
  const auto input = model::packed_input({3, 1, 4, 1, 5, 9, 2, 6}, {&start, 1});
  return loaded.decoder->logits(machine.ctx, loaded.decoder->hidden(machine.ctx, input, nullptr));
}

TEST_CASE("gguf: files of the gguf package give the logits of the folders they were made from") {
  Machine machine;
  for (const auto& [file, folder] :
       {std::pair("olmoe.gguf", "olmoe/plain"), std::pair("arctic.gguf", "arctic/parallel"),
        std::pair("mixtral.gguf", "mixtral/plain"), std::pair("llama.gguf", "llama/plain"),
        std::pair("olmo2.gguf", "olmo2/plain"), std::pair("qwen2_moe.gguf", "qwen2_moe/plain")}) {
    CAPTURE(file);
    const std::filesystem::path golden = "tests/golden";
    CHECK(same_values(logits_of(machine, golden / "gguf" / file),
                      logits_of(machine, golden / folder)));
  }
}

TEST_CASE("gguf: what the format cannot express is not written") {
  const auto refused = [](const std::function<void(model::ModelSpec&)>& change) {
    model::ModelSpec spec = gguf_model("olmoe", true);
    change(spec);
    io::GgufMetadata metadata;
    return error_of(ErrorKind::unsupported, [&] { model::gguf::write_spec(spec, metadata); });
  };
  CHECK(contains(refused([](auto& spec) { spec.architecture = "YuanForCausalLM"; }),
                 "no architecture for YuanForCausalLM; there are: llama"));
  CHECK(contains(refused([](auto& spec) { spec.blocks[1].attention.window = 8; }),
                 "block 1 differs from block 0"));
  const auto in_all = [&](const std::function<void(model::BlockSpec&)>& change) {
    return refused([&](auto& spec) {
      for (model::BlockSpec& block : spec.blocks) change(block);
    });
  };
  const std::string message = "cannot express this OlmoeForCausalLM";
  CHECK(contains(in_all([](auto& block) {
                   std::get<model::MoeSpec>(block.feed_forward).router.renormalise = true;
                 }),
                 message));
  CHECK(contains(in_all([](auto& block) { block.attention.clip_qkv = 8.0; }), message));
  CHECK(contains(in_all([](auto& block) { block.attention.qk_norm = model::QkNorm::none; }),
                 message));
  CHECK(contains(in_all([](auto& block) {
                   block.attention.rope.scaling.kind = model::RopeScalingKind::llama3;
                 }),
                 message));
}

TEST_CASE("gguf: rotations are scaled as in llama.cpp, whichever keys say so") {
  using Pairs = std::vector<std::pair<std::string, io::GgufMetadata::Value>>;
  const auto factor = [](const Pairs& pairs) {
    const ScratchFolder folder;
    io::GgufMetadata metadata;
    model::gguf::write_spec(gguf_model("llama", true), metadata);
    for (const auto& [key, value] : pairs) metadata.set("llama." + key, value);
    io::GgufWriter(folder / "m.gguf", metadata, {}).finish();
    const auto file = io::GgufFile::open(folder / "m.gguf");
    return model::gguf::read_spec(*file).blocks[0].attention.rope.scaling.factor;
  };
  const std::string type = "rope.scaling.type";
  CHECK(factor({}) == 1.0);
  CHECK(factor({{"rope.scaling.factor", 4.0f}}) == 4.0);
  CHECK(factor({{"rope.scale_linear", 4.0f}}) == 4.0);
  CHECK(factor({{type, std::string("linear")}, {"rope.scale_linear", 4.0f}}) == 4.0);
  CHECK(factor({{type, std::string("none")}, {"rope.scale_linear", 4.0f}}) == 1.0);
  CHECK(factor({{type, std::string("none")}, {"rope.scaling.factor", 4.0f}}) == 1.0);
  CHECK(factor({{"rope.scaling.factor", 2.0f}, {"rope.scale_linear", 4.0f}}) == 2.0);
  CHECK(factor({{"rope.scaling.factor", 0.0f}}) == 1.0);
  CHECK(factor({{"attention.causal", true},
                {"tensor_data_layout", std::string("Meta AI original pth")}}) == 1.0);
}

TEST_CASE("gguf: the jitter of training is left out and nothing else") {
  model::ModelSpec spec = gguf_model("llama", true);
  for (model::BlockSpec& block : spec.blocks) {
    std::get<model::MoeSpec>(block.feed_forward).router.jitter_noise = 0.1;
    block.attention.window = 32;
    block.attention.rope.scaling = {.kind = model::RopeScalingKind::linear, .factor = 4.0};
    block.attention.head_dim = 20;
  }
  const ScratchFolder folder;
  Machine machine;
  const auto parameters = random_parameters(machine.ctx, spec, DType::bf16, 1);
  const auto file = write_gguf(machine.ctx, folder / "m.gguf", spec, *parameters, {});
  model::ModelSpec expected = spec;
  for (model::BlockSpec& block : expected.blocks) {
    std::get<model::MoeSpec>(block.feed_forward).router.jitter_noise = 0.0;
  }
  CHECK(model::read_spec(file) == expected);
  CHECK(model::stored_dtype(file, expected) == DType::bf16);
}

}  // namespace
}  // namespace cadre
