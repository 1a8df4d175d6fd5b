// Writing a model as one GGUF file that llama.cpp reads.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/io/ggml_type.h"
#include "core/io/gguf_writer.h"
#include "core/ops/context.h"
#include "model/layout_writer.h"
#include "model/spec.h"

namespace cadre::model {

struct GgufOptions {
  // Of the matrices: f32, bf16, f16, q8_0 or q4_0; with `type_of` and `round` below, what
  // general.file_type says the file mostly is. Vectors and routers stay in f32, as llama.cpp
  // expects. With q4_0 the embedding and the head are q8_0, for they suffer most from four bits. A
  // matrix whose rows are not whole blocks is f16.
  io::StoredType matrices = DType::bf16;
  // Of each matrix by its parameter instead, where they differ: `matrices` is then what the file
  // mostly is.
  std::function<io::StoredType(int64_t parameter)> matrix_type = {};
  std::string name = {};  // general.name; none if empty
  // For files of mixed formats: the type of each tensor by its name in the file, and how values
  // [first, first + x.size()) of a tensor become blocks. Empty: as said above, and to nearest.
  std::function<io::StoredType(std::string_view tensor)> type_of = {};
  std::function<void(Context& ctx, std::string_view tensor, BlockType type, int64_t first,
                     std::span<const float> x, std::span<std::byte> blocks)>
      round = {};
};

// "f32", "bf16", "f16", "q8_0" or "q4_0". Throws Error(invalid_input) listing them.
io::StoredType gguf_type_from_name(std::string_view name);

// The bytes of all tensors. Throws as gguf::write_spec.
int64_t gguf_weight_bytes(const ModelSpec& spec, const GgufOptions& options);

// The most that such a file takes beside the bytes of its tensors: its header, and what aligns each
// tensor. Whatever the types of the tensors are.
int64_t gguf_overhead_bytes(const ModelSpec& spec, const GgufOptions& options,
                            const io::GgufMetadata& tokenizer);

// Writes the file, whole or not at all, streaming: besides what `source` holds, memory is bounded
// by 64 MiB and the largest projection of queries. `tokenizer` holds the keys of the tokenizer, as
// text::write_gguf_tokenizer fills them, and what else is to stand behind the model's own keys.
// Throws as gguf::write_spec, and the errors of FileWriter.
void save_gguf(Context& ctx, const std::filesystem::path& file, const ModelSpec& spec,
               const GgufOptions& options, const io::GgufMetadata& tokenizer,
               const ElementSource& source);

}  // namespace cadre::model
