// Writing a model as a GGUF file of mixed formats, rounded with importance.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/io/gguf_writer.h"
#include "model/convert.h"
#include "model/weights.h"
#include "quant/importance.h"
#include "quant/tensors.h"

namespace cadre::quant {

// The most that the file takes beside the bytes of its tensors, whatever their types.
int64_t gguf_overhead_bytes(const model::ModelSpec& spec, const std::vector<OutputTensor>& tensors,
                            const std::string& name, const io::GgufMetadata& tokenizer);

// `format` is what general.file_type says the file mostly is. Streams: memory is bounded as in
// model::save_gguf. The same bytes whatever the number of threads. `tokenizer` holds the keys of
// the tokenizer. Not atomic.
void write_gguf(Context& ctx, const std::filesystem::path& file, const model::Weights& weights,
                const model::ModelSpec& spec, const std::vector<OutputTensor>& tensors,
                const io::StoredType& format, const Importance& importance, const std::string& name,
                const io::GgufMetadata& tokenizer, const model::ConvertProgress& progress);

}  // namespace cadre::quant
