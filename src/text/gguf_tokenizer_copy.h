// The keys of a tokenizer from one GGUF file to another; used by the sources of gguf_tokenizer.h.
#pragma once

#include "core/io/gguf.h"
#include "core/io/gguf_writer.h"

namespace cadre::text {

// Copies all keys that begin with "tokenizer."; "no_vocab" if the file has no tokenizer. Throws
// Error(unsupported) for values of kinds that tokenizers do not have.
void copy_gguf_tokenizer(const io::GgufFile& file, io::GgufMetadata& metadata);

}  // namespace cadre::text
