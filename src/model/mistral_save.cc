#include "model/mistral_save.h"

#include <variant>

#include "core/base/file.h"
#include "core/io/json_value.h"
#include "core/io/safetensors_writer.h"
#include "model/hf.h"
#include "model/mistral_names.h"

namespace cadre::model {
namespace {

// The block that all layers share, if the format can say what it computes.
const BlockSpec& supported_block(const ModelSpec& spec) {
  const BlockSpec& block = spec.blocks.front();
  const auto expect = [&](bool supported, const char* what) {
    if (!supported) {
      fail(ErrorKind::unsupported, "params.json cannot express {} of this {}", what,
           spec.architecture);
    }
  };
  expect(spec.architecture == "MistralForCausalLM" || spec.architecture == "MixtralForCausalLM",
         "the family");
  expect(!spec.tied_embeddings, "tied embeddings");
  for (const BlockSpec& other : spec.blocks) expect(other == block, "layers that differ");
  return block;
}

LayoutWriter writer_of(const Weights& weights, const ModelSpec& spec, std::optional<DType> dtype) {
  supported_block(spec);
  return LayoutWriter(mistral_layouts(spec).front(), spec,
                      [&](int64_t parameter) { return dtype.value_or(weights.dtype(parameter)); });
}

void write_params(const std::filesystem::path& file, const ModelSpec& spec) {
  const BlockSpec& block = supported_block(spec);
  const auto* moe = std::get_if<MoeSpec>(&block.feed_forward);
  const MlpSpec& mlp = moe != nullptr ? moe->expert : std::get<MlpSpec>(block.feed_forward);
  io::JsonValue params = io::JsonValue::object();
  params.set("dim", spec.hidden_size)
      .set("n_layers", spec.num_layers())
      .set("head_dim", block.attention.head_dim)
      .set("hidden_dim", mlp.intermediate_size)
      .set("n_heads", block.attention.num_heads)
      .set("n_kv_heads", block.attention.num_kv_heads)
      .set("rope_theta", block.attention.rope.theta)
      .set("norm_eps", spec.rms_norm_eps)
      .set("vocab_size", spec.vocab_size)
      .set("max_seq_len", spec.max_positions);
  if (block.attention.window > 0) params.set("sliding_window", block.attention.window);
  if (moe != nullptr) {
    io::JsonValue mixture = io::JsonValue::object();
    mixture.set("num_experts", moe->router.num_experts)
        .set("num_experts_per_tok", moe->router.top_k);
    params.set("moe", std::move(mixture));
  }
  write_file_atomically(file, params.pretty() + "\n");
}

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), static_cast<size_t>(tensor.bytes())};
}

}  // namespace

int64_t mistral_weight_bytes(const Weights& weights, const ModelSpec& spec,
                             std::optional<DType> dtype) {
  return writer_of(weights, spec, dtype).bytes();
}

void write_mistral(Context& ctx, const std::filesystem::path& folder,
                   const std::filesystem::path& source, const Weights& weights,
                   const ModelSpec& spec, std::optional<DType> dtype,
                   const ConvertProgress& progress) {
  write_params(folder / "params.json", spec);
  copy_tokenizer_files(std::filesystem::is_directory(source) ? source : source.parent_path(),
                       folder);
  const LayoutWriter layout = writer_of(weights, spec, dtype);
  const int64_t total = layout.bytes();
  int64_t done = 0;
  StreamedElements elements(ctx, weights);
  const ElementSource read = [&](int64_t parameter, Range range, DType type) {
    return elements.read(parameter, range, type);
  };
  io::SafetensorsWriter file(folder / "consolidated.safetensors", layout.entries());
  for (const io::TensorEntry& entry : file.entries()) {
    layout.for_each_piece(ctx, entry.name, entry.dtype, read, [&](const Tensor& piece) {
      file.write(entry.name, bytes_of(piece));
      done += piece.bytes();
      progress(done, total);
    });
  }
  file.finish();
}

}  // namespace cadre::model
