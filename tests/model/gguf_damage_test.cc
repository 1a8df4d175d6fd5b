// GGUF files of models that do not hold what they say: each is refused, naming file and culprit.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "core/io/gguf.h"
#include "tests/expect_error.h"
#include "tests/model/gguf_case.h"
#include "tests/model/machine.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

struct Contents {
  io::GgufMetadata metadata;
  std::vector<io::GgufEntry> entries;
};

// The header of a small Mixtral, changed, with zeros for data.
std::string refusal(ErrorKind kind, const std::function<void(Contents&)>& change) {
  const ScratchFolder folder;
  Machine machine(1);
  const model::ModelSpec spec = gguf_model("llama", true);
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  write_gguf(machine.ctx, folder / "good.gguf", spec, *parameters, {});
  const auto good = io::GgufFile::open(folder / "good.gguf");
  Contents contents;
  for (const std::string& key : good->keys()) {
    const io::GgufKind value = good->find_value(key)->kind;
    if (value == io::GgufKind::string) contents.metadata.set(key, good->string(key));
    if (value == io::GgufKind::f32) {
      contents.metadata.set(key, static_cast<float>(good->number(key)));
    }
    if (value == io::GgufKind::u32) {
      contents.metadata.set(key, static_cast<uint32_t>(good->integer(key)));
    }
  }
  for (const io::GgufTensor& tensor : good->tensors()) {
    contents.entries.push_back({tensor.name, tensor.shape, tensor.type});
  }
  change(contents);
  io::GgufWriter writer(folder / "bad.gguf", contents.metadata, contents.entries);
  for (const io::GgufEntry& entry : writer.entries()) {
    writer.write(entry.name, std::vector<std::byte>(static_cast<size_t>(entry.bytes())));
  }
  writer.finish();
  const std::string message =
      error_of(kind, [&] { model::load_model(machine.ctx, folder / "bad.gguf", DType::f32); });
  CHECK(contains(message, "bad.gguf"));
  return message;
}

io::GgufEntry& entry(Contents& contents, const std::string& name) {
  return *std::ranges::find(contents.entries, name, &io::GgufEntry::name);
}

TEST_CASE("gguf: tensors that a model lacks or has no place for are refused by name") {
  const std::string up = "blk.1.ffn_up_exps.weight";
  CHECK(contains(refusal(ErrorKind::corrupt_data,
                         [&](Contents& c) { c.entries.erase(c.entries.begin() + 3); }),
                 "is missing, expected ["));
  CHECK(contains(refusal(ErrorKind::corrupt_data,
                         [&](Contents& c) {
                           c.entries.push_back({"rope_freqs.weight", {8}, c.entries[0].type});
                         }),
                 "\"rope_freqs.weight\" [8] has no place in this model"));
  CHECK(contains(refusal(ErrorKind::corrupt_data,
                         [&](Contents& c) {
                           entry(c, up).shape = {6, 64, 96};
                         }),
                 "\"blk.1.ffn_up_exps.weight\" is [6, 64, 96], expected [6, 96, 64]"));
  CHECK(contains(refusal(ErrorKind::unsupported,
                         [&](Contents& c) { entry(c, up).type = &io::ggml_type(DType::i32); }),
                 "\"blk.1.ffn_up_exps.weight\" is i32, expected f32, bf16 or f16"));
  CHECK(contains(refusal(ErrorKind::unsupported,
                         [&](Contents& c) { entry(c, up).type = io::find_ggml_type(20); }),
                 "\"blk.1.ffn_up_exps.weight\" is of type IQ4_NL, which cannot be read here"));
}

TEST_CASE("gguf: keys that a model lacks or that might change it are refused by name") {
  const auto with = [](const char* key, io::GgufMetadata::Value value) {
    return [key, value](Contents& c) { c.metadata.set(key, value); };
  };
  const auto corrupt = ErrorKind::corrupt_data;
  const auto unsupported = ErrorKind::unsupported;
  CHECK(contains(refusal(unsupported, with("general.architecture", std::string("mamba"))),
                 "\"mamba\", which is not supported; known: llama, olmoe"));
  CHECK(contains(refusal(corrupt, with("general.architecture", std::string("arctic"))),
                 "\"arctic.embedding_length\" is missing"));
  CHECK(contains(refusal(unsupported, with("llama.logit_scale", 0.5f)),
                 "\"llama.logit_scale\" is not known and might change the model"));
  CHECK(contains(refusal(unsupported, with("llama.rope.dimension_count", uint32_t{8})),
                 "\"llama.rope.dimension_count\" is 8, only 16 is supported"));
  CHECK(contains(refusal(unsupported, with("llama.rope.scaling.type", std::string("yarn"))),
                 "\"llama.rope.scaling.type\" is \"yarn\""));
  CHECK(contains(refusal(unsupported, with("llama.attention.causal", false)),
                 "\"llama.attention.causal\" is 0, only 1 is supported"));
  CHECK(contains(refusal(unsupported, with("llama.tensor_data_layout", std::string("other"))),
                 "\"llama.tensor_data_layout\" is \"other\""));
  CHECK(contains(
      refusal(unsupported, with("llama.attention.head_count_kv", std::vector<int32_t>{2, 4})),
      "\"llama.attention.head_count_kv\" differs between layers"));
  CHECK(contains(refusal(corrupt, with("llama.embedding_length", std::string("64"))),
                 "\"llama.embedding_length\" is a string, expected an integer"));
  CHECK(contains(refusal(unsupported, with("split.count", uint32_t{3})), "files in parts"));
  CHECK(contains(refusal(corrupt, with("llama.block_count", uint32_t{4000000000u})),
                 "\"llama.block_count\" = 4000000000"));
  CHECK(contains(refusal(ErrorKind::invalid_input, with("llama.context_length", uint32_t{0})),
                 "max_position_embeddings = 0"));
}

TEST_CASE("gguf: one tensor for each expert, as in old files, loads as well") {
  const ScratchFolder folder;
  Machine machine;
  const model::ModelSpec spec = gguf_model("llama", true);
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  write_gguf(machine.ctx, folder / "new.gguf", spec, *parameters, {.matrices = DType::f32});
  const auto stacked = io::GgufFile::open(folder / "new.gguf");
  io::GgufMetadata metadata;
  for (const std::string& key : stacked->keys()) {
    const io::GgufKind kind = stacked->find_value(key)->kind;
    if (kind == io::GgufKind::u32) {
      metadata.set(key, static_cast<uint32_t>(stacked->integer(key)));
    } else if (kind == io::GgufKind::f32) {
      metadata.set(key, static_cast<float>(stacked->number(key)));
    } else {
      metadata.set(key, stacked->string(key));
    }
  }
  struct Piece {
    io::GgufEntry entry;
    std::span<const std::byte> bytes;
  };
  std::vector<Piece> pieces;
  for (const io::GgufTensor& tensor : stacked->tensors()) {
    const std::span<const std::byte> bytes = stacked->bytes(tensor);
    const size_t exps = tensor.name.find("_exps");
    if (exps == std::string::npos) {
      pieces.push_back({{tensor.name, tensor.shape, tensor.type}, bytes});
      continue;
    }
    const size_t size = bytes.size() / 6;
    for (size_t e = 0; e < 6; ++e) {
      const std::string name = tensor.name.substr(0, exps) + "." + std::to_string(e) + ".weight";
      pieces.push_back({{name, {tensor.shape.dim(1), tensor.shape.dim(2)}, tensor.type},
                        bytes.subspan(e * size, size)});
    }
  }
  std::vector<io::GgufEntry> entries;
  for (const Piece& piece : pieces) entries.push_back(piece.entry);
  io::GgufWriter writer(folder / "old.gguf", metadata, entries);
  for (const Piece& piece : pieces) writer.write(piece.entry.name, piece.bytes);
  writer.finish();
  const model::LoadedModel loaded = model::load_model(machine.ctx, folder / "old.gguf", DType::f32);
  for (int64_t p = 0; p < parameters->size(); ++p) {
    CHECK(same_values(loaded.parameters->tensor(p), parameters->tensor(p)));
  }
}

}  // namespace
}  // namespace cadre
