// What building a dataset asks of a tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace cadre::data {

struct TokenEncoder {
  // Appends the tokens of a text; `worker` is the calling worker of the pool, so that each may keep
  // memory of its own. What it appends must depend on the text alone.
  std::function<void(std::string_view text, int worker, std::vector<int32_t>& ids)> encode;
  // Bytes of text that a token stands for.
  std::function<int64_t(int32_t id)> token_bytes;
  int64_t vocab_size = 0;
  int32_t eos_id = 0;  // ends each document
  // The file that the dataset keeps beside its tokens, so that a model can be trained from the
  // folder alone; its checksum tells tokenizers apart.
  std::string tokenizer_json;
  std::string tokenizer_file = "tokenizer.json";  // its name; tokenizer.model for SentencePiece
  // Writes what else tells how the tokenizer is used, into the folder that is being built; may be
  // empty.
  std::function<void(const std::filesystem::path& folder)> write_roles;
};

// Special tokens written in documents are plain text to it. Beside the tokenizer's file stands what
// AutoTokenizer of transformers needs (text/tokenizer_config.h), for models take their tokenizer
// from the dataset: eos_id ends a text, and a token of a usual name pads. num_workers is that of
// the pool. Throws Error(invalid_input) if eos_id is not a token.
TokenEncoder make_encoder(const text::Tokenizer& tokenizer, int32_t eos_id, int num_workers);

// The token that the tokenizer's family ends texts with, by name (<|endoftext|>, </s>, <eod>, ...).
// Throws Error(invalid_input), naming those it looked for, if there is none.
int32_t end_of_text_id(const text::Tokenizer& tokenizer);

}  // namespace cadre::data
