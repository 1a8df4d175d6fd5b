#include "cli/quantise_output.h"

#include <functional>
#include <string>

#include "cli/progress.h"
#include "core/base/file.h"
#include "core/io/gguf.h"
#include "core/io/json.h"
#include "model/convert.h"
#include "quant/write_gguf.h"
#include "text/gguf_tokenizer.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

std::string name_of(const fs::path& place) {
  return fs::absolute(place).lexically_normal().filename().string();
}

}  // namespace

int64_t gguf_overhead(const fs::path& place, const model::ModelSpec& spec,
                      const std::vector<quant::OutputTensor>& tensors) {
  io::GgufMetadata tokenizer;
  text::write_gguf_tokenizer(place, spec.vocab_size, tokenizer);
  return quant::gguf_overhead_bytes(spec, tensors, name_of(place), tokenizer);
}

void write_quantised_gguf(Context& ctx, const fs::path& output, const QuantiseSource& source,
                          const std::vector<quant::OutputTensor>& tensors,
                          const io::StoredType& format) {
  io::GgufMetadata tokenizer;
  text::write_gguf_tokenizer(source.place, source.spec.vocab_size, tokenizer);
  StoppableBar bar("quantising", "bytes");
  quant::write_gguf(ctx, output, source.weights, source.spec, tensors, format, source.importance,
                    name_of(source.place), tokenizer, std::ref(bar));
  text::expect_same_gguf_tokenizer(source.place, *io::GgufFile::open(output));
}

void write_quantised_hf(Context& ctx, const fs::path& output, const QuantiseSource& source,
                        const std::vector<quant::OutputTensor>& tensors,
                        const quant::HfQuantiseOptions& options) {
  fs::create_directory(output);
  model::write_hf_files(output, source.place, source.spec, source.weights.dtype(0));
  if (io::is_gguf_file(source.place)) {
    text::save_gguf_tokenizer(*io::GgufFile::open(source.place), output);
  }
  io::JsonValue config = io::JsonView::read_file(output / "config.json").value();
  config.set("quantization_config", quant::quantization_config(tensors, options));
  write_file_atomically(output / "config.json", config.pretty() + "\n");
  StoppableBar bar("quantising", "bytes");
  quant::write_hf_quantised(ctx, output, source.weights, source.spec, options, source.importance,
                            std::ref(bar));
}

}  // namespace cadre::cli
