// Converting: what comes out is what went in, in every family and format.
#include "model/convert.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "core/io/gguf.h"
#include "core/io/json.h"
#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "model/families/family.h"
#include "model/format.h"
#include "model/hf.h"
#include "model/mistral_save.h"
#include "model/stored_model.h"
#include "tests/expect_error.h"
#include "tests/model/gguf_case.h"
#include "tests/model/machine.h"
#include "tests/model/stored_models.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

namespace fs = std::filesystem;

void silent(int64_t, int64_t) {}

struct Opened {
  explicit Opened(const fs::path& place)
      : spec(model::read_spec(place)), weights(model::open_weights(place, spec)) {}
  model::ModelSpec spec;
  std::unique_ptr<const model::Weights> weights;
};

void to_hf(Machine& machine, const fs::path& from, const fs::path& to,
           const model::HfOptions& options) {
  const Opened source(from);
  const DType dtype = options.dtype.value_or(source.weights->dtype(0));
  model::write_hf_files(to, from, source.spec, dtype);
  model::write_hf_weights(machine.ctx, to, *source.weights, source.spec, options, silent);
}

void check_same_model(Machine& machine, const fs::path& a, const fs::path& b) {
  const Opened left(a);
  const Opened right(b);
  CHECK(left.spec.blocks == right.spec.blocks);
  CHECK(left.spec.vocab_size == right.spec.vocab_size);
  CHECK(left.spec.rms_norm_eps == doctest::Approx(right.spec.rms_norm_eps));
  CHECK(left.spec.tied_embeddings == right.spec.tied_embeddings);
  model::expect_same_weights(machine.ctx, *left.weights, *right.weights, silent);
}

}  // namespace

TEST_CASE("convert: every stored model becomes a Hugging Face directory and stays the same") {
  Machine machine;
  for (const fs::path& place : stored_models()) {
    CAPTURE(place.string());
    const ScratchFolder folder;
    to_hf(machine, place, folder.path(), {.max_shard_bytes = 20'000});
    check_same_model(machine, place, folder.path());
    if (!fs::exists(place / "model.safetensors") || !fs::exists(place / "config.json")) continue;
    // Under the same names the bytes are the same, too.
    const io::SafetensorsSet before = io::SafetensorsSet::open(place);
    const io::SafetensorsSet after = io::SafetensorsSet::open(folder.path());
    for (const std::string& name : after.names()) {
      if (!before.contains(name)) continue;  // experts that came packed
      const Tensor x = before.tensor(name);
      const Tensor y = after.tensor(name);
      CAPTURE(name);
      REQUIRE((x.dtype() == y.dtype() && x.shape() == y.shape()));
      CHECK(std::memcmp(x.raw(), y.raw(), static_cast<size_t>(x.bytes())) == 0);
    }
  }
}

TEST_CASE("names: every layout of every family places each element once, in ours and in theirs") {
  for (const fs::path& place : stored_models()) {
    CAPTURE(place.string());
    const model::ModelSpec spec = model::read_spec(place);
    const std::vector<model::ParameterSpec> parameters = model::parameter_list(spec);
    for (const model::NameLayout& layout : model::find_family(spec.architecture).layouts) {
      CAPTURE(layout.description);
      std::vector<std::vector<int>> ours;
      for (const auto& parameter : parameters) {
        ours.emplace_back(static_cast<size_t>(parameter.shape.elements()), 0);
      }
      std::map<std::string, std::vector<int>> theirs;
      for (const model::FilePart& part : model::file_parts(layout, spec, parameters)) {
        std::vector<int>& whole = theirs[part.name];
        whole.resize(static_cast<size_t>(part.shape.elements()), 0);
        CHECK((part.swap.is_identity() || part.swap.elements() == part.elements));
        for (int64_t i = 0; i < part.elements; ++i) {
          ++ours[static_cast<size_t>(part.parameter)][static_cast<size_t>(part.offset + i)];
          ++whole[static_cast<size_t>(part.file_offset + i)];
        }
      }
      for (const auto& counts : ours) {
        for (const int count : counts) REQUIRE(count == 1);
      }
      for (const auto& [name, counts] : theirs) {
        CAPTURE(name);
        for (const int count : counts) REQUIRE(count == 1);
      }
    }
  }
}

TEST_CASE("convert: packed experts open without copying, and go back to the same tensors") {
  Machine machine;
  const fs::path source = "tests/golden/olmoe/plain";
  const ScratchFolder packed;
  const ScratchFolder back;
  to_hf(machine, source, packed.path(), {.packed_experts = true});
  const Opened opened(packed.path());
  for (size_t p = 0; p < opened.weights->parameters().size(); ++p) {
    const Range all = {0, opened.weights->parameters()[p].shape.elements()};
    CHECK(opened.weights->view(static_cast<int64_t>(p), all, DType::f32).defined());
  }
  to_hf(machine, packed.path(), back.path(), {});
  CHECK(io::SafetensorsSet::open(back.path()).names() == io::SafetensorsSet::open(source).names());
  check_same_model(machine, source, back.path());
}

TEST_CASE("convert: native Mistral files to Hugging Face and back are the same bytes") {
  Machine machine;
  for (const char* name : {"mixtral", "mixtral_stacked", "mistral"}) {
    CAPTURE(name);
    const fs::path source = fs::path("tests/golden/native") / name;
    const ScratchFolder hf;
    const ScratchFolder native;
    to_hf(machine, source, hf.path(), {});
    const Opened opened(hf.path());
    model::write_mistral(machine.ctx, native.path(), hf.path(), *opened.weights, opened.spec, {},
                         silent);
    check_same_model(machine, source, native.path());
    if (!fs::exists(source / "consolidated.safetensors")) continue;
    const io::SafetensorsSet before = io::SafetensorsSet::open(source / "consolidated.safetensors");
    const io::SafetensorsSet after = io::SafetensorsSet::open(native / "consolidated.safetensors");
    CHECK(before.names() == after.names());
    for (const std::string& tensor : before.names()) {
      CHECK(std::memcmp(before.tensor(tensor).raw(), after.tensor(tensor).raw(),
                        static_cast<size_t>(before.tensor(tensor).bytes())) == 0);
    }
  }
}

TEST_CASE("convert: an element type is chosen for all tensors, rounding once") {
  Machine machine;
  const fs::path source = "tests/golden/olmoe/plain";
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const ScratchFolder folder;
    to_hf(machine, source, folder.path(), {.dtype = dtype});
    check_same_model(machine, folder.path(), folder.path());
    const Opened before(source);
    const Opened after(folder.path());
    model::expect_same_weights(machine.ctx, *before.weights, *after.weights, silent);
    CHECK(after.weights->dtype(0) == dtype);
  }
}

TEST_CASE("convert: one wrong bit in what was written is found and named") {
  Machine machine;
  const fs::path source = "tests/golden/olmoe/plain";
  const ScratchFolder folder;
  to_hf(machine, source, folder.path(), {});
  std::string bytes = file_content(folder / "model.safetensors");
  const io::SafetensorsSet set = io::SafetensorsSet::open(source);
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  folder.write("model.safetensors", bytes);
  const Opened before(source);
  const Opened after(folder.path());
  CHECK(contains(error_of(ErrorKind::corrupt_data,
                          [&] {
                            model::expect_same_weights(machine.ctx, *before.weights, *after.weights,
                                                       silent);
                          }),
                 "reads back as another value"));
}

TEST_CASE("convert: files beside the weights and keys of config.json are carried over") {
  Machine machine;
  const ScratchFolder from;
  const ScratchFolder to;
  for (const char* name : {"config.json", "model.safetensors"}) {
    fs::copy_file(fs::path("tests/golden/olmoe/plain") / name, from / name);
  }
  io::JsonValue config = io::JsonView::read_file(from / "config.json").value();
  config.set("our_own_key", 7).set("quantization_config", "gone");
  from.write("config.json", config.dump());
  from.write("tokenizer.json", "{}");
  from.write("chat_template.jinja", "{{ x }}");
  from.write("generation_config.json", R"({"temperature": 0.5})");
  from.write("notes.txt", "stays");
  to_hf(machine, from.path(), to.path(), {.dtype = DType::bf16});
  const io::JsonView written = io::JsonView::read_file(to / "config.json");
  CHECK(written.integer("our_own_key") == 7);
  CHECK(!written.has("quantization_config"));
  CHECK(file_content(to / "tokenizer.json") == "{}");
  CHECK(file_content(to / "chat_template.jinja") == "{{ x }}");
  CHECK(io::JsonView::read_file(to / "generation_config.json").number("temperature") == 0.5);
  CHECK(!fs::exists(to / "notes.txt"));
}

TEST_CASE("convert: what a format cannot express is refused") {
  const Opened olmoe("tests/golden/olmoe/plain");
  CHECK(contains(error_of(ErrorKind::unsupported,
                          [&] { model::mistral_weight_bytes(*olmoe.weights, olmoe.spec, {}); }),
                 "params.json cannot express the family"));
  const Opened mixtral("tests/golden/mixtral/plain");
  const auto refusal = [&](const auto& change) {
    model::ModelSpec spec = mixtral.spec;
    spec.bos_token_id = 1;
    spec.eos_token_id = 2;
    spec.pad_token_id = -1;
    change(spec);
    return error_of(ErrorKind::unsupported,
                    [&] { model::mistral_weight_bytes(*mixtral.weights, spec, {}); });
  };
  CHECK(contains(refusal([](auto& spec) { spec.eos_token_id = 32000; }), "eos_token_id = 32000"));
  CHECK(contains(refusal([](auto& spec) { spec.pad_token_id = 0; }), "pad_token_id = 0"));
  CHECK(contains(refusal([](auto& spec) { spec.blocks[1].attention.window = 8; }),
                 "layers that differ"));
  const auto in_all = [&](const auto& change) {
    return refusal([&](auto& spec) {
      for (model::BlockSpec& block : spec.blocks) change(block);
    });
  };
  CHECK(contains(in_all([](auto& block) { block.attention.qkv_bias = true; }), "attention"));
  CHECK(contains(in_all([](auto& block) {
                   std::get<model::MoeSpec>(block.feed_forward).router.renormalise = false;
                 }),
                 "router"));
}

// A model as a directory in f32 and as a GGUF file, both of the same parameters.
struct InBlocks {
  InBlocks(Context& ctx, io::StoredType type,
           const std::function<void(model::Parameters&)>& change) {
    const model::ModelSpec spec = gguf_model("llama", true);
    const auto parameters = random_parameters(ctx, spec, DType::f32, 1);
    change(*parameters);
    fs::create_directory(folder / "hf");
    model::save_model(ctx, folder / "hf", spec, {},
                      [&](int64_t p) { return parameters->tensor(p); });
    write_gguf(ctx, folder / "m.gguf", spec, *parameters, {.matrices = type});
  }
  void compare(Context& ctx) const {
    const Opened source(folder / "hf");
    const Opened written(folder / "m.gguf");
    model::expect_same_weights(ctx, *source.weights, *written.weights, silent);
  }
  ScratchFolder folder;
};

TEST_CASE("convert: blocks are compared with the source rounded once more, however small it is") {
  Machine machine;
  for (const BlockType type : {BlockType::q8_0, BlockType::q4_0}) {
    CAPTURE(block_type_name(type));
    const InBlocks model(machine.ctx, type, [](model::Parameters& parameters) {
      float* x = parameters.tensor("blocks.0.attention.output").data<float>();
      // Scales of 0, of an f16 of few bits, and a block of zeros.
      for (int i = 0; i < 32; ++i) x[i] = 1e-9f * static_cast<float>(i);
      for (int i = 32; i < 64; ++i) x[i] = 3e-6f * static_cast<float>(i % 5 - 2);
      for (int i = 64; i < 96; ++i) x[i] = 0.0f;
    });
    model.compare(machine.ctx);
    // Another integer in the last block of a matrix; the file ends with the data of its last
    // tensor.
    std::string bytes = file_content(model.folder / "m.gguf");
    const auto file = io::GgufFile::open(model.folder / "m.gguf");
    const std::span<const std::byte> matrix =
        file->bytes(*file->find("blk.1.ffn_down_exps.weight"));
    const std::string needle(reinterpret_cast<const char*>(matrix.data()), matrix.size());
    const size_t end = bytes.find(needle) + needle.size();
    REQUIRE(end <= bytes.size());
    bytes[end - 1] = static_cast<char>(bytes[end - 1] ^ 1);
    model.folder.write("m.gguf", bytes);
    CHECK(contains(error_of(ErrorKind::corrupt_data, [&] { model.compare(machine.ctx); }),
                   "reads back as another value"));
  }
}

TEST_CASE("convert: what blocks cannot hold is named, and nobody's disk is blamed") {
  Machine machine;
  for (const auto& [value, shown] :
       {std::pair(NAN, "nan"), std::pair(-INFINITY, "-inf"), std::pair(1e20f, "1e+20")}) {
    const float spoilt = value;
    const InBlocks model(machine.ctx, BlockType::q8_0, [spoilt](model::Parameters& parameters) {
      parameters.tensor("blocks.0.attention.output").data<float>()[70] = spoilt;
    });
    const std::string message =
        error_of(ErrorKind::unsupported, [&] { model.compare(machine.ctx); });
    CHECK(contains(message, "blocks.0.attention.output"));
    CHECK(contains(message, std::string("element 70 is ") + shown + ", which q8_0 cannot hold"));
  }
}

TEST_CASE("convert: what lies beside a GGUF file is another model's") {
  Machine machine;
  const InBlocks model(machine.ctx, DType::f32, [](model::Parameters&) {});
  model.folder.write("config.json", R"({"our_own_key": 7})");
  model.folder.write("tokenizer.json", "{}");
  model.folder.write("generation_config.json", R"({"temperature": 0.5})");
  const ScratchFolder hf;
  to_hf(machine, model.folder / "m.gguf", hf.path(), {});
  CHECK(!io::JsonView::read_file(hf / "config.json").has("our_own_key"));
  CHECK(!io::JsonView::read_file(hf / "generation_config.json").has("temperature"));
  CHECK(!fs::exists(hf / "tokenizer.json"));
  Opened source(model.folder / "m.gguf");
  source.spec.eos_token_id = 2;
  const ScratchFolder native;
  model::write_mistral(machine.ctx, native.path(), model.folder / "m.gguf", *source.weights,
                       source.spec, {}, silent);
  CHECK(!fs::exists(native / "tokenizer.json"));
}

}  // namespace cadre
