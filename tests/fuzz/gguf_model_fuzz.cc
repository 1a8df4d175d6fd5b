// A GGUF file as a model: its metadata as a spec and a tokenizer, its tensors as weights.
#include "core/io/gguf_writer.h"
#include "model/format.h"
#include "model/gguf/names.h"
#include "model/gguf/spec.h"
#include "model/layout_writer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/model/gguf_case.h"
#include "tests/model/machine.h"
#include "text/gguf_tokenizer.h"

namespace cadre::fuzz {
namespace {

using Strings = std::vector<std::string>;

model::ModelSpec small_spec(const std::string& architecture) {
  model::ModelSpec spec = gguf_model(architecture, true);
  for (model::BlockSpec& block : spec.blocks) {
    model::gguf::BlockNumbers numbers = model::gguf::numbers_of(block);
    numbers.num_heads = 2;
    numbers.num_kv_heads = 1;
    numbers.head_dim = 4;
    numbers.num_experts = 3;
    numbers.width = 2;
    block = model::gguf::block_of(*model::gguf::find_architecture(architecture), numbers, 8);
  }
  spec.hidden_size = 8;
  spec.vocab_size = 7;
  spec.blocks.resize(1);
  return spec;
}

void add_tokenizer(bool byte_level, io::GgufMetadata& metadata) {
  metadata.set("tokenizer.ggml.model", std::string(byte_level ? "gpt2" : "llama"));
  metadata.set("tokenizer.ggml.pre", std::string(byte_level ? "qwen2" : "default"));
  metadata.set("tokenizer.ggml.tokens",
               Strings{"<unk>", "<s>", "a", "b", "ab", "\u2581", "[INST]"});
  metadata.set("tokenizer.ggml.token_type", std::vector<int32_t>{2, 3, 1, 1, 1, 1, 4});
  metadata.set("tokenizer.ggml.bos_token_id", uint32_t{1});
  metadata.set("tokenizer.ggml.eos_token_id", uint32_t{1});
  metadata.set("tokenizer.ggml.add_bos_token", true);
  if (byte_level) {
    metadata.set("tokenizer.ggml.merges", Strings{"a b"});
  } else {
    metadata.set("tokenizer.ggml.scores", std::vector<float>(7, -1.0f));
  }
}

std::string small_file(const std::string& architecture, bool byte_level) {
  const model::ModelSpec spec = small_spec(architecture);
  Machine machine(1);
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  io::GgufMetadata tokenizer;
  add_tokenizer(byte_level, tokenizer);
  const InputFile file("", "model.gguf");
  write_gguf(machine.ctx, file.path(), spec, *parameters, {}, tokenizer);
  const auto mapped = MappedFile::open(file.path());
  const auto bytes = mapped->bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void read_input(std::string_view bytes) {
  const InputFile input(bytes, "model.gguf");
  // The tokenizer may be broken and the model whole, so each has its turn.
  try {
    const auto file = io::GgufFile::open(input.path());
    if (text::has_gguf_tokenizer(*file)) {
      text::read_gguf_tokenizer(*file).encode("ab[INST] <s>b");
      text::read_gguf_tokenizer_config(*file);
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) throw;
  }
  const model::ModelSpec spec = model::read_spec(input.path());
  const auto weights = model::open_weights(input.path(), spec);
  Machine machine(1);
  for (size_t p = 0; p < weights->parameters().size(); ++p) {
    const int64_t count = std::min<int64_t>(weights->parameters()[p].shape.elements(), 1 << 12);
    std::vector<float> values(static_cast<size_t>(count));
    weights->read(machine.ctx, static_cast<int64_t>(p), {0, count}, DType::f32, values.data());
  }
}

std::vector<std::string> seeds() { return {small_file("llama", false), small_file("olmoe", true)}; }

}  // namespace cadre::fuzz
