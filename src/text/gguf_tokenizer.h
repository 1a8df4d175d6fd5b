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

// Adds the keys of the tokenizer at `place`: that of a GGUF file, or of a model folder or a file in
// it (tokenizer.model, or else tokenizer.json, with tokenizer_config.json). Ids up to vocab_size
// without a token are called [PAD<id>], as llama.cpp's converter does. Adds "tokenizer.ggml.model"
// = "no_vocab" if there is no tokenizer. Throws Error(unsupported) for tokenizers that GGUF cannot
// express, those that rewrite text among them; NFC alone is left out, as llama.cpp does.
void write_gguf_tokenizer(const std::filesystem::path& place, int64_t vocab_size,
                          io::GgufMetadata& metadata);

// Throws Error(unsupported) if the tokenizer of the file gives other ids for a few texts than the
// one at `place`, of which it was made. Copies from another GGUF file are taken as they are.
void expect_same_gguf_tokenizer(const std::filesystem::path& place, const io::GgufFile& written);

// Where the files of a tokenizer lie: the folder itself, or that of the file.
std::filesystem::path tokenizer_folder(const std::filesystem::path& place);

// Writes the tokenizer of a GGUF file into a folder as Hugging Face has it: tokenizer.json or
// tokenizer.model, tokenizer_config.json and special_tokens_map.json; nothing if the file has none.
void save_gguf_tokenizer(const io::GgufFile& file, const std::filesystem::path& folder);

}  // namespace cadre::text
