#include "model/gguf/save.h"

#include <array>
#include <utility>
#include <variant>

#include "core/ops/blocks.h"
#include "core/tensor/contents.h"
#include "model/gguf/names.h"
#include "model/gguf/spec.h"

namespace cadre::model {
namespace {

struct TypeChoice {
  std::string_view name;
  io::StoredType type;
  uint32_t file_type;  // general.file_type
};

constexpr std::array kChoices = {
    TypeChoice{"f32", DType::f32, 0},       TypeChoice{"bf16", DType::bf16, 32},
    TypeChoice{"f16", DType::f16, 1},       TypeChoice{"q8_0", BlockType::q8_0, 7},
    TypeChoice{"q4_0", BlockType::q4_0, 2},
};

// What files of mixed formats are called after the one most of them is in; llama.cpp's mixes have
// the same names with an M.
constexpr std::array kMixes = {
    TypeChoice{"q4_1", BlockType::q4_1, 3},  TypeChoice{"q5_0", BlockType::q5_0, 8},
    TypeChoice{"q5_1", BlockType::q5_1, 9},  TypeChoice{"q2_k", BlockType::q2_k, 10},
    TypeChoice{"q3_k", BlockType::q3_k, 12}, TypeChoice{"q4_k", BlockType::q4_k, 15},
    TypeChoice{"q5_k", BlockType::q5_k, 17}, TypeChoice{"q6_k", BlockType::q6_k, 18},
};

constexpr uint32_t kQuantisationVersion = 2;

const TypeChoice& choice_of(const io::StoredType& type, bool mixed) {
  for (const TypeChoice& choice : kChoices) {
    if (choice.type == type) return choice;
  }
  for (const TypeChoice& choice : kMixes) {
    if (mixed && choice.type == type) return choice;
  }
  fail(ErrorKind::unsupported, "GGUF is written in f32, bf16, f16, q8_0 or q4_0 only");
}

const io::GgmlType& tensor_type(const ParameterSpec& parameter, const Shape& shape,
                                const io::StoredType& matrices) {
  const ParameterKind kind = parameter.kind;
  if (shape.rank() < 2 || kind == ParameterKind::router) return io::ggml_type(DType::f32);
  if (const auto* dtype = std::get_if<DType>(&matrices)) return io::ggml_type(*dtype);
  BlockType blocks = std::get<BlockType>(matrices);
  const bool sensitive = kind == ParameterKind::embedding || kind == ParameterKind::head;
  if (blocks == BlockType::q4_0 && sensitive) blocks = BlockType::q8_0;
  return fits_blocks(blocks, shape.dim(-1)) ? io::ggml_type(blocks) : io::ggml_type(DType::f16);
}

void write_tensor(Context& ctx, const LayoutWriter& layout, const io::GgufEntry& entry,
                  const GgufOptions& options, const ElementSource& source, io::GgufWriter& file) {
  if (const auto* dtype = std::get_if<DType>(&entry.type->stored)) {
    layout.for_each_piece(ctx, entry.name, *dtype, source,
                          [&](const Tensor& piece) { file.write(entry.name, bytes_of(piece)); });
    return;
  }
  const BlockType type = std::get<BlockType>(entry.type->stored);
  int64_t first = 0;
  layout.for_each_piece(ctx, entry.name, DType::f32, source, [&](const Tensor& piece) {
    const Tensor blocks = ctx.empty({block_bytes(type, piece.shape())}, DType::u8);
    const std::span<std::byte> out = {static_cast<std::byte*>(blocks.raw()),
                                      static_cast<size_t>(blocks.bytes())};
    if (options.round) {
      options.round(ctx, entry.name, type, first, piece.span<float>(), out);
    } else {
      ops::quantise(ctx, piece.span<float>(), type, out);
    }
    first += piece.elements();
    file.write(entry.name, out);
  });
}

LayoutWriter writer_of(const ModelSpec& spec) {
  return LayoutWriter(gguf::layouts(gguf::architecture_of(spec)).front(), spec, DType::f32);
}

std::vector<io::GgufEntry> entries_of(const LayoutWriter& layout, const ModelSpec& spec,
                                      const GgufOptions& options) {
  const std::vector<ParameterSpec> parameters = parameter_list(spec);
  std::vector<io::GgufEntry> entries;
  for (const io::TensorEntry& entry : layout.entries()) {
    const int64_t parameter = layout.parameter_of(entry.name);
    const io::StoredType matrices =
        options.matrix_type ? options.matrix_type(parameter) : options.matrices;
    const io::GgmlType* type =
        &tensor_type(parameters[static_cast<size_t>(parameter)], entry.shape, matrices);
    if (options.type_of) type = &io::ggml_type(options.type_of(entry.name));
    entries.push_back({entry.name, entry.shape, type});
  }
  return entries;
}

// The file but for its data.
struct Plan {
  io::GgufMetadata metadata;
  LayoutWriter layout;
  std::vector<io::GgufEntry> entries;
};

Plan plan_of(const ModelSpec& spec, const GgufOptions& options, const io::GgufMetadata& tokenizer) {
  const TypeChoice& choice = choice_of(options.matrices, options.type_of != nullptr);
  io::GgufMetadata metadata;
  gguf::write_spec(spec, metadata);
  metadata.set("general.type", std::string("model"));
  if (!options.name.empty()) metadata.set("general.name", options.name);
  metadata.set("general.file_type", choice.file_type);
  if (std::holds_alternative<BlockType>(choice.type)) {
    metadata.set("general.quantization_version", kQuantisationVersion);
  }
  // llama.cpp refuses files that do not say of what kind their tokenizer is.
  metadata.set("tokenizer.ggml.model", std::string("no_vocab"));
  for (const auto& [key, value] : tokenizer.pairs()) metadata.set(key, value);
  // The model's own configuration goes before that of its tokenizer.
  const auto set_id = [&](std::string_view key, int64_t id) {
    if (id >= 0) metadata.set(key, static_cast<uint32_t>(id));
  };
  set_id("tokenizer.ggml.bos_token_id", spec.bos_token_id);
  set_id("tokenizer.ggml.eos_token_id", spec.eos_token_id);
  set_id("tokenizer.ggml.padding_token_id", spec.pad_token_id);

  LayoutWriter layout = writer_of(spec);
  std::vector<io::GgufEntry> entries = entries_of(layout, spec, options);
  return {std::move(metadata), std::move(layout), std::move(entries)};
}

}  // namespace

int64_t gguf_weight_bytes(const ModelSpec& spec, const GgufOptions& options) {
  io::GgufMetadata unused;
  gguf::write_spec(spec, unused);  // refuses what has no layout
  int64_t bytes = 0;
  for (const io::GgufEntry& entry : entries_of(writer_of(spec), spec, options)) {
    bytes += entry.bytes();
  }
  return bytes;
}

io::StoredType gguf_type_from_name(std::string_view name) {
  std::string known;
  for (const TypeChoice& choice : kChoices) {
    if (choice.name == name) return choice.type;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", choice.name);
  }
  fail(ErrorKind::invalid_input, "\"{}\" is no type of GGUF that is written; there are: {}", name,
       known);
}

int64_t gguf_overhead_bytes(const ModelSpec& spec, const GgufOptions& options,
                            const io::GgufMetadata& tokenizer) {
  const Plan plan = plan_of(spec, options, tokenizer);
  return io::gguf_header_bytes(plan.metadata, plan.entries) +
         std::ssize(plan.entries) * static_cast<int64_t>(io::kGgufAlignment - 1);
}

void save_gguf(Context& ctx, const std::filesystem::path& file, const ModelSpec& spec,
               const GgufOptions& options, const io::GgufMetadata& tokenizer,
               const ElementSource& source) {
  const Plan plan = plan_of(spec, options, tokenizer);
  io::GgufWriter writer(file, plan.metadata, plan.entries);
  for (const io::GgufEntry& entry : writer.entries()) {
    write_tensor(ctx, plan.layout, entry, options, source, writer);
  }
  writer.finish();
}

}  // namespace cadre::model
