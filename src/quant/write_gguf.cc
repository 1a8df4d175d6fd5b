#include "quant/write_gguf.h"

#include <algorithm>
#include <unordered_map>

#include "core/ops/blocks.h"
#include "model/gguf/save.h"

namespace cadre::quant {

int64_t gguf_overhead_bytes(const model::ModelSpec& spec, const std::vector<OutputTensor>& tensors,
                            const std::string& name, const io::GgufMetadata& tokenizer) {
  std::unordered_map<std::string_view, const OutputTensor*> by_name;
  for (const OutputTensor& tensor : tensors) by_name.emplace(tensor.name, &tensor);
  model::GgufOptions options;
  options.matrices = BlockType::q4_k;  // as for any blocks
  options.name = name;
  options.type_of = [&](std::string_view tensor) { return by_name.at(tensor)->type; };
  return model::gguf_overhead_bytes(spec, options, tokenizer);
}

void write_gguf(Context& ctx, const std::filesystem::path& file, const model::Weights& weights,
                const model::ModelSpec& spec, const std::vector<OutputTensor>& tensors,
                const io::StoredType& format, const Importance& importance, const std::string& name,
                const io::GgufMetadata& tokenizer, const model::ConvertProgress& progress) {
  std::unordered_map<std::string_view, const OutputTensor*> by_name;
  int64_t total = 0;
  for (const OutputTensor& tensor : tensors) {
    by_name.emplace(tensor.name, &tensor);
    total += tensor.bytes();
  }
  int64_t done = 0;
  model::GgufOptions options;
  options.matrices = format;
  options.name = name;
  options.type_of = [&](std::string_view tensor) { return by_name.at(tensor)->type; };
  // A piece may hold the ends of two experts, and begin within a row.
  options.round = [&](Context& context, std::string_view tensor_name, BlockType type, int64_t first,
                      std::span<const float> x, std::span<std::byte> blocks) {
    const OutputTensor& tensor = *by_name.at(tensor_name);
    const bool stacked = tensor.shape.rank() == 3;
    const int64_t matrix = stacked ? tensor.shape.dim(1) * tensor.width : tensor.shape.elements();
    const BlockLayout layout = block_layout(type);
    const auto count = static_cast<int64_t>(x.size());
    for (int64_t begin = 0; begin < count;) {
      const int64_t at = first + begin;
      const int64_t end = std::min(count, begin + matrix - at % matrix);
      const std::vector<float> columns =
          importance.columns(tensor.parameter, stacked ? at / matrix : 0);
      ops::round_blocks(
          context, x.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)), type,
          {.width = tensor.width, .first_column = at % tensor.width, .importance = columns},
          blocks.subspan(static_cast<size_t>(begin / layout.elements * layout.bytes),
                         static_cast<size_t>((end - begin) / layout.elements * layout.bytes)));
      begin = end;
    }
    done += static_cast<int64_t>(blocks.size());
    progress(done, total);
  };
  model::StreamedElements elements(ctx, weights);
  model::save_gguf(ctx, file, spec, options, tokenizer,
                   [&](int64_t parameter, Range range, DType type) {
                     return elements.read(parameter, range, type);
                   });
  progress(total, total);
}

}  // namespace cadre::quant
