#include <algorithm>
#include <map>
#include <string>

#include "cli/convert.h"
#include "core/io/gguf.h"
#include "model/gguf/save.h"
#include "text/gguf_tokenizer.h"

namespace cadre::cli {
namespace {

// The element type of most of the model.
DType commonest_type(const model::Weights& weights) {
  std::map<DType, int64_t> elements;
  for (size_t p = 0; p < weights.parameters().size(); ++p) {
    elements[weights.dtype(static_cast<int64_t>(p))] += weights.parameters()[p].shape.elements();
  }
  return std::ranges::max_element(elements, {}, [](const auto& entry) { return entry.second; })
      ->first;
}

model::GgufOptions options_of(std::string_view dtype, const model::Weights& weights) {
  model::GgufOptions options;
  if (dtype != "auto") {
    options.matrices = model::gguf_type_from_name(dtype);
    return options;
  }
  options.matrices = commonest_type(weights);
  options.matrix_type = [&weights](int64_t parameter) {
    return io::StoredType(weights.dtype(parameter));
  };
  return options;
}

}  // namespace

ConvertTarget gguf_target(std::string_view dtype, const model::Weights& weights,
                          const model::ModelSpec& spec) {
  const model::GgufOptions options = options_of(dtype, weights);
  ConvertTarget target;
  target.name = "gguf";
  target.bytes = model::gguf_weight_bytes(spec, options);
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
    text::expect_same_gguf_tokenizer(source, *io::GgufFile::open(output));
  };
  return target;
}

}  // namespace cadre::cli
