#include <cmath>
#include <limits>
#include <string>

#include "core/base/error.h"
#include "model/gguf/architecture.h"
#include "model/gguf/names.h"
#include "model/gguf/spec.h"

namespace cadre::model::gguf {
namespace {

const Architecture& require_architecture(const ModelSpec& spec) {
  const Architecture* found = find_architecture_of(spec.architecture);
  if (found == nullptr) {
    fail(ErrorKind::unsupported, "GGUF has no architecture for {}; there are: {}",
         spec.architecture, known_architectures());
  }
  return *found;
}

// Without what matters in training only.
BlockSpec in_inference(BlockSpec block) {
  if (auto* moe = std::get_if<MoeSpec>(&block.feed_forward)) {
    const ops::LogitNoise noise = moe->router.noise;
    moe->router = ops::inference_view(moe->router);
    // Its weights are tensors, for which GGUF has no names.
    if (noise == ops::LogitNoise::gaussian) moe->router.noise = noise;
  }
  return block;
}

void check_expressible(const ModelSpec& spec, const Architecture& architecture) {
  const BlockSpec first = in_inference(spec.blocks.front());
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    if (!(in_inference(spec.blocks[i]) == first)) {
      fail(ErrorKind::unsupported, "block {} differs from block 0, which GGUF's {} cannot express",
           i, architecture.name);
    }
  }
  if (!(block_of(architecture, numbers_of(first), spec.hidden_size) == first) ||
      spec.norm != NormKind::rms) {
    fail(ErrorKind::unsupported,
         "GGUF's {} cannot express this {}: norms, clamps, biases, scaling of rotations or the "
         "router are not those of the architecture",
         architecture.name, spec.architecture);
  }
}

uint32_t narrow(int64_t value, std::string_view key) {
  if (value < 0 || value > std::numeric_limits<uint32_t>::max()) {
    fail(ErrorKind::invalid_input, "{} = {} does not fit the 32 bits of GGUF", key, value);
  }
  return static_cast<uint32_t>(value);
}

}  // namespace

std::string_view architecture_of(const ModelSpec& spec) { return require_architecture(spec).name; }

void write_spec(const ModelSpec& spec, io::GgufMetadata& metadata) {
  const Architecture& architecture = require_architecture(spec);
  check_expressible(spec, architecture);
  const BlockNumbers numbers = numbers_of(spec.blocks.front());
  metadata.set("general.architecture", std::string(architecture.name));
  const auto key = [&](std::string_view name) {
    return std::string(architecture.name) + "." + std::string(name);
  };
  const auto integer = [&](std::string_view name, int64_t value) {
    metadata.set(key(name), narrow(value, key(name)));
  };
  integer("block_count", spec.num_layers());
  integer("context_length", spec.max_positions);
  integer("embedding_length", spec.hidden_size);
  integer("feed_forward_length", numbers.width);
  integer("attention.head_count", numbers.num_heads);
  integer("attention.head_count_kv", numbers.num_kv_heads);
  if (numbers.head_dim * numbers.num_heads != spec.hidden_size) {
    integer("attention.key_length", numbers.head_dim);
    integer("attention.value_length", numbers.head_dim);
  }
  metadata.set(key("attention.layer_norm_rms_epsilon"), static_cast<float>(spec.rms_norm_eps));
  if (numbers.window > 0) integer("attention.sliding_window", numbers.window);
  metadata.set(key("rope.freq_base"), static_cast<float>(numbers.rope_theta));
  integer("rope.dimension_count", numbers.head_dim);
  if (numbers.rope_factor != 1.0) {
    metadata.set(key("rope.scaling.type"), std::string("linear"));
    metadata.set(key("rope.scaling.factor"), static_cast<float>(numbers.rope_factor));
  }
  integer("vocab_size", spec.vocab_size);
  if (numbers.num_experts > 0) {
    integer("expert_count", numbers.num_experts);
    integer("expert_used_count", numbers.top_k);
    if (architecture.sigmoid_shared) {
      integer("expert_feed_forward_length", numbers.width);
      integer("expert_shared_feed_forward_length", numbers.shared_width);
    }
  }
}

}  // namespace cadre::model::gguf
