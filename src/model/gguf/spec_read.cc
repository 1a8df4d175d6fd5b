#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <string>

#include "core/io/gguf.h"
#include "model/gguf/architecture.h"
#include "model/gguf/names.h"
#include "model/gguf/spec.h"

namespace cadre::model::gguf {
namespace {

constexpr int64_t kMaxLayers = 4096;

// What may follow "llama." and the like. Others could change what a model computes.
constexpr std::array<std::string_view, 27> kKnownKeys = {
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "vocab_size",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.causal",
    "rope.freq_base",
    "rope.dimension_count",
    "rope.scale_linear",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "expert_count",
    "expert_used_count",
    "expert_feed_forward_length",
    "expert_shared_feed_forward_length",
    "expert_weights_norm",
    "expert_group_count",
    "expert_group_used_count",
    "tensor_data_layout",
};

// The shortest decimal number that rounds to the f32: 1e-5, which f32 cannot hold, comes back as it
// was before it was written.
double shortest(double value) {
  char text[64];
  const auto written = std::to_chars(text, text + sizeof(text), static_cast<float>(value));
  double result = value;
  std::from_chars(text, written.ptr, result);
  return result;
}

// The keys of one architecture.
class Keys {
 public:
  Keys(const io::GgufFile& file, std::string architecture)
      : file_(file), prefix_(std::move(architecture) + ".") {}

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  bool has(std::string_view name) const { return file_.has(key(name)); }
  int64_t integer(std::string_view name) const { return file_.integer(key(name)); }
  int64_t integer_or(std::string_view name, int64_t otherwise) const {
    return file_.integer_or(key(name), otherwise);
  }
  double number(std::string_view name) const { return shortest(file_.number(key(name))); }
  double number_or(std::string_view name, double otherwise) const {
    return shortest(file_.number_or(key(name), otherwise));
  }

  // A number that some files write once for each layer; it must then be the same for all.
  int64_t same_for_all(std::string_view name, int64_t otherwise) const {
    if (!has(name)) return otherwise;
    const std::vector<int64_t> values = file_.integers(key(name));
    if (values.empty() || std::ranges::adjacent_find(values, std::not_equal_to{}) != values.end()) {
      fail(ErrorKind::unsupported, "{} differs between layers, expected one number for all",
           file_.where(key(name)));
    }
    return values.front();
  }

  void expect(std::string_view name, int64_t found, int64_t expected) const {
    if (found != expected) {
      fail(ErrorKind::unsupported, "{} is {}, only {} is supported", file_.where(key(name)), found,
           expected);
    }
  }

  void refuse_unknown() const {
    for (const std::string& name : file_.keys()) {
      if (!name.starts_with(prefix_)) continue;
      const std::string_view rest = std::string_view(name).substr(prefix_.size());
      if (std::ranges::find(kKnownKeys, rest) == kKnownKeys.end()) {
        fail(ErrorKind::unsupported, "{} is not known and might change the model",
             file_.where(name));
      }
    }
  }

 private:
  const io::GgufFile& file_;
  std::string prefix_;
};

int64_t token_id(const io::GgufFile& file, std::string_view key, int64_t in_llama_vocabularies) {
  const bool llama = file.string_or("tokenizer.ggml.model", "") == "llama";
  const int64_t id = file.integer_or(key, llama ? in_llama_vocabularies : -1);
  // Some writers state absence as the largest u32.
  return id >= 0 && id < UINT32_MAX ? id : -1;
}

// As in llama.cpp: the factor stands under either key, the older one second, and 0 is none; its
// type is linear unless the file says otherwise, and "none" means that nothing is scaled.
double rope_factor(const io::GgufFile& file, const Keys& keys) {
  const std::string type = file.string_or(keys.key("rope.scaling.type"), "linear");
  if (type == "none") return 1.0;
  if (type != "linear") {
    fail(ErrorKind::unsupported, "{} is \"{}\", only none and linear are supported",
         file.where(keys.key("rope.scaling.type")), type);
  }
  const double factor =
      keys.number_or("rope.scaling.factor", keys.number_or("rope.scale_linear", 1.0));
  return factor == 0.0 ? 1.0 : factor;
}

// Of what may be said of the order of rows, that which converters write and every reader takes.
void expect_known_layout(const io::GgufFile& file, const Keys& keys) {
  const std::string key = keys.key("tensor_data_layout");
  const std::string found = file.string_or(key, "reference");
  if (found == "reference" || found == "Meta AI original pth") return;
  fail(ErrorKind::unsupported,
       "{} is \"{}\", only reference and Meta AI original pth are supported", file.where(key),
       found);
}

int64_t vocab_size(const io::GgufFile& file, const Keys& keys) {
  if (keys.has("vocab_size")) return keys.integer("vocab_size");
  if (const io::GgufTensor* embedding = file.find("token_embd.weight")) {
    if (embedding->shape.rank() == 2) return embedding->shape.dim(0);
  }
  if (const io::GgufValue* tokens = file.find_value("tokenizer.ggml.tokens")) {
    return static_cast<int64_t>(std::min<uint64_t>(tokens->count, INT64_MAX));
  }
  fail(ErrorKind::corrupt_data, "{} is missing, and so are the tokens",
       file.where(keys.key("vocab_size")));
}

BlockNumbers read_numbers(const io::GgufFile& file, const Keys& keys, int64_t hidden_size) {
  BlockNumbers numbers;
  numbers.num_heads = keys.same_for_all("attention.head_count", 0);
  if (numbers.num_heads < 1) {
    fail(ErrorKind::corrupt_data, "{} is missing or less than 1",
         file.where(keys.key("attention.head_count")));
  }
  numbers.num_kv_heads = keys.same_for_all("attention.head_count_kv", numbers.num_heads);
  numbers.head_dim = keys.integer_or("attention.key_length", hidden_size / numbers.num_heads);
  keys.expect("attention.value_length", keys.integer_or("attention.value_length", numbers.head_dim),
              numbers.head_dim);
  keys.expect("rope.dimension_count", keys.integer_or("rope.dimension_count", numbers.head_dim),
              numbers.head_dim);
  const bool causal = file.flag_or(keys.key("attention.causal"), true);
  keys.expect("attention.causal", causal, true);
  numbers.rope_theta = keys.number_or("rope.freq_base", 10000.0);
  numbers.rope_factor = rope_factor(file, keys);
  numbers.window = keys.same_for_all("attention.sliding_window", 0);
  numbers.qkv_bias = file.find("blk.0.attn_q.bias") != nullptr;
  numbers.output_bias = file.find("blk.0.attn_output.bias") != nullptr;
  numbers.num_experts = keys.integer_or("expert_count", 0);
  numbers.width = keys.same_for_all("feed_forward_length", 0);
  if (numbers.num_experts > 0) {
    numbers.top_k = keys.integer("expert_used_count");
    numbers.width = keys.integer_or("expert_feed_forward_length", numbers.width);
    numbers.shared_width = keys.integer_or("expert_shared_feed_forward_length", 0);
    for (const char* groups : {"expert_group_count", "expert_group_used_count"}) {
      keys.expect(groups, std::max<int64_t>(keys.integer_or(groups, 1), 1), 1);
    }
  }
  return numbers;
}

std::string_view hf_name(const Architecture& architecture, const BlockNumbers& numbers) {
  if (numbers.num_experts > 0) return architecture.sparse;
  return architecture.name == "llama" && numbers.window > 0 ? "MistralForCausalLM"
                                                            : architecture.dense;
}

}  // namespace

ModelSpec read_spec(const io::GgufFile& file) {
  const std::string name = file.string("general.architecture");
  const Architecture* architecture = find_architecture(name);
  if (architecture == nullptr) {
    fail(ErrorKind::unsupported, "{} is \"{}\", which is not supported; known: {}",
         file.where("general.architecture"), name, known_architectures());
  }
  const Keys keys(file, name);
  keys.refuse_unknown();
  expect_known_layout(file, keys);
  ModelSpec spec;
  spec.hidden_size = keys.integer("embedding_length");
  spec.max_positions = keys.integer("context_length");
  spec.rms_norm_eps = keys.number("attention.layer_norm_rms_epsilon");
  spec.vocab_size = vocab_size(file, keys);
  spec.tied_embeddings = file.find("output.weight") == nullptr;
  spec.bos_token_id = token_id(file, "tokenizer.ggml.bos_token_id", 1);
  spec.eos_token_id = token_id(file, "tokenizer.ggml.eos_token_id", 2);
  spec.pad_token_id = token_id(file, "tokenizer.ggml.padding_token_id", -1);
  const BlockNumbers numbers = read_numbers(file, keys, spec.hidden_size);
  const std::string_view hf = hf_name(*architecture, numbers);
  if (hf.empty()) {
    fail(ErrorKind::unsupported, "{} = {}: no {} model has that",
         file.where(keys.key("expert_count")), numbers.num_experts, name);
  }
  spec.architecture = hf;
  BlockSpec block = block_of(*architecture, numbers, spec.hidden_size);
  if (auto* moe = std::get_if<MoeSpec>(&block.feed_forward)) {
    const bool renormalise = file.flag_or(keys.key("expert_weights_norm"), moe->router.renormalise);
    keys.expect("expert_weights_norm", renormalise, moe->router.renormalise);
  }
  const int64_t layers = keys.integer("block_count");
  if (layers < 1 || layers > kMaxLayers) {
    fail(ErrorKind::corrupt_data, "{} = {}, expected 1 to {}", file.where(keys.key("block_count")),
         layers, kMaxLayers);
  }
  spec.blocks.assign(static_cast<size_t>(layers), block);
  return spec;
}

}  // namespace cadre::model::gguf
