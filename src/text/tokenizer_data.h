// What a Tokenizer holds; shared by its source and by the reader of tokenizer.json.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe_model.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace cadre::text {

// One entry of the vocabulary.
struct Piece {
  std::string written;   // as in the file
  std::string bytes;     // what it decodes to
  bool present = false;  // ids may have gaps
  bool special = false;
};

// All parts are made from one file by read_tokenizer and never change.
struct Tokenizer::Data {
  std::string json;
  std::vector<Piece> pieces;  // by id
  std::unordered_map<std::string, int32_t> ids;
  std::vector<std::string> notes;

  Normalizer normalizer;
  AddedTokenMatcher raw_tokens{{}, ""};         // looked for in the raw text
  AddedTokenMatcher normalized_tokens{{}, ""};  // looked for in the normalised text
  PreTokenizer pre_tokenizer{{}, nullptr};
  BpeModel model{BpeSpec{}};
  std::vector<int32_t> before;  // the post-processor's tokens
  std::vector<int32_t> after;
};

}  // namespace cadre::text
