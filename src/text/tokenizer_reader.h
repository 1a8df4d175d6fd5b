// The stages of reading tokenizer.json; used by the sources of the reader only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/json_field.h"
#include "text/tokenizer.h"
#include "text/tokenizer_data.h"

namespace cadre::text {

class TokenizerReader {
 public:
  static Tokenizer read(std::string text, std::string_view where);

 private:
  using Data = Tokenizer::Data;
};

// Adds a token to the vocabulary; throws Error(corrupt_data) if its id is taken and
// Error(unsupported) if it is far beyond the number of tokens.
void add_piece(const JsonField& field, const std::string& written, int64_t id,
               Tokenizer::Data& data);

// Reads "model": fills the vocabulary and data.model.
void read_model(const JsonField& field, Tokenizer::Data& data);

}  // namespace cadre::text
