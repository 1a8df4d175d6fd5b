#include <string>
#include <variant>

#include "cli/convert.h"
#include "core/base/error.h"
#include "model/gguf/save.h"
#include "text/gguf_tokenizer.h"

namespace cadre::cli {
namespace {

// Half a step of the format's scale, and what f16 takes off the scale itself. q4_0 clips one end of
// its range by a whole step.
double tolerance_of(const io::StoredType& type) {
  const auto* blocks = std::get_if<BlockType>(&type);
  if (blocks == nullptr) return 0.0;
  return *blocks == BlockType::q8_0 ? 0.005 : 0.13;
}

bool is_matrix(const model::ParameterSpec& parameter) {
  return parameter.shape.rank() > 1 && parameter.kind != model::ParameterKind::router;
}

// auto: the type of the matrices as they are stored.
io::StoredType type_of(std::string_view dtype, const model::Weights& weights) {
  return dtype == "auto" ? io::StoredType(weights.dtype(0)) : model::gguf_type_from_name(dtype);
}

int64_t bytes_of(const model::ParameterSpec& parameter, const io::StoredType& type) {
  const int64_t elements = parameter.shape.elements();
  if (!is_matrix(parameter)) return elements * dtype_size(DType::f32);
  if (const auto* plain = std::get_if<DType>(&type)) return elements * dtype_size(*plain);
  const BlockType blocks = std::get<BlockType>(type);
  return fits_blocks(blocks, parameter.shape.dim(-1)) ? block_bytes(blocks, parameter.shape)
                                                      : elements * dtype_size(DType::f16);
}

}  // namespace

ConvertTarget gguf_target(std::string_view dtype, const model::Weights& weights,
                          const model::ModelSpec& spec) {
  model::GgufOptions options;
  options.matrices = type_of(dtype, weights);
  ConvertTarget target;
  target.name = "gguf";
  for (const model::ParameterSpec& parameter : weights.parameters()) {
    target.bytes += bytes_of(parameter, options.matrices);
  }
  target.tolerance = [&weights, matrices = tolerance_of(options.matrices)](int64_t parameter) {
    return is_matrix(weights.parameters()[static_cast<size_t>(parameter)]) ? matrices : 0.0;
  };
  target.write = [options, &weights, spec, total = target.bytes](
                     Context& ctx, const std::filesystem::path& source,
                     const std::filesystem::path& output, const model::ConvertProgress& progress) {
    model::GgufOptions named = options;
    named.name = std::filesystem::absolute(source).lexically_normal().filename().string();
    int64_t done = 0;
    const int64_t elements = [&] {
      int64_t sum = 0;
      for (const auto& parameter : weights.parameters()) sum += parameter.shape.elements();
      return sum;
    }();
    io::GgufMetadata tokenizer;
    text::write_gguf_tokenizer(source, spec.vocab_size, tokenizer);
    model::StreamedElements stream(ctx, weights);
    model::save_gguf(
        ctx, output, spec, named, tokenizer, [&](int64_t parameter, Range range, DType type) {
          const double share = static_cast<double>(done) / static_cast<double>(elements);
          progress(static_cast<int64_t>(share * static_cast<double>(total)), total);
          done += range.size();
          return stream.read(parameter, range, type);
        });
  };
  return target;
}

}  // namespace cadre::cli
