#include "model/mistral_save.h"

#include "core/base/file.h"
#include "core/io/safetensors_writer.h"
#include "core/tensor/contents.h"
#include "model/hf.h"
#include "model/mistral_names.h"
#include "model/mistral_params.h"

namespace cadre::model {
namespace {

LayoutWriter writer_of(const Weights& weights, const ModelSpec& spec, std::optional<DType> dtype) {
  return LayoutWriter(mistral_layouts(spec).front(), spec,
                      [&](int64_t parameter) { return dtype.value_or(weights.dtype(parameter)); });
}

}  // namespace

int64_t mistral_weight_bytes(const Weights& weights, const ModelSpec& spec,
                             std::optional<DType> dtype) {
  static_cast<void>(mistral_params(spec));
  return writer_of(weights, spec, dtype).bytes();
}

void write_mistral(Context& ctx, const std::filesystem::path& folder,
                   const std::filesystem::path& source, const Weights& weights,
                   const ModelSpec& spec, std::optional<DType> dtype,
                   const ConvertProgress& progress) {
  write_file_atomically(folder / "params.json", mistral_params(spec).pretty() + "\n");
  if (const auto from = companion_folder(source)) copy_tokenizer_files(*from, folder);
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
