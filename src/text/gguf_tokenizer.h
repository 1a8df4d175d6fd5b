// Tokenizers in the metadata of GGUF files ("tokenizer.ggml.*"), both ways.
//
// tokenizer.ggml.model says of which kind: "gpt2" is byte-level BPE, whose way of cutting words has
// a name in tokenizer.ggml.pre (gguf_pre_types.h); "llama" is SentencePiece BPE with scores.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/io/gguf.h"
#include "core/io/gguf_writer.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"

namespace cadre::text {

// Whether the file has a vocabulary.
bool has_gguf_tokenizer(const io::GgufFile& file);

// Throws Error(not_found) if the file has no vocabulary, Error(unsupported), naming file and key,
// for kinds and ways of cutting that are not known, and Error(corrupt_data) for lists that do not
// fit each other.
Tokenizer read_gguf_tokenizer(const io::GgufFile& file);
// Roles of tokens and the chat template.
TokenizerConfig read_gguf_tokenizer_config(const io::GgufFile& file);

// Adds the keys of the tokenizer of a model folder (tokenizer.model, or else tokenizer.json, with
// tokenizer_config.json) to metadata. Ids up to vocab_size without a token are called [PAD<id>], as
// llama.cpp's converter does. Adds "tokenizer.ggml.model" = "no_vocab" if the folder has none of
// these files. Throws Error(unsupported) for tokenizers that GGUF cannot express.
void write_gguf_tokenizer(const std::filesystem::path& folder, int64_t vocab_size,
                          io::GgufMetadata& metadata);
// Copies all keys that begin with "tokenizer." from one file to another.
void copy_gguf_tokenizer(const io::GgufFile& file, io::GgufMetadata& metadata);

}  // namespace cadre::text
