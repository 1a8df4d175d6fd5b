// What a Tokenizer holds; shared by its source and by those who make one: the readers of
// tokenizer.json and of SentencePiece models. Tokenizers from other files (GGUF) are made of a
// SentencePieceModel by make_sentencepiece_tokenizer (tokenizer_builder.h), or of the text of a
// tokenizer.json.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_decoder.h"
#include "text/token_model.h"
#include "text/tokenizer.h"
#include "text/tokenizer_builder.h"

namespace cadre::text {

// One entry of the vocabulary.
struct Piece {
  std::string written;       // as in the file
  std::string bytes = {};    // what it decodes to in the middle of a text
  bool present = false;      // ids may have gaps
  bool special = false;      // a control token, left out of decoded text on request
  bool byte = false;         // one byte of a character (byte fallback)
  bool shown_as_is = false;  // decoded as written, with its leading U+2581 if it has one
};

// All parts are made from one file and never change.
struct Tokenizer::Data {
  std::vector<TokenizerFile> files;
  TokenizerSummary summary;
  std::vector<Piece> pieces;  // by id
  std::unordered_map<std::string, int32_t> ids;
  std::vector<std::string> notes;

  AddedTokenMatcher raw_tokens{{}, ""};  // looked for in the raw text
  Normalizer normalizer;
  AddedTokenMatcher normalized_tokens{{}, ""};  // looked for in the normalised text
  PreTokenizer pre_tokenizer{{}, nullptr};
  std::unique_ptr<const TokenModel> model;
  DecoderRules decoder;
  std::vector<int32_t> before;  // the post-processor's tokens
  std::vector<int32_t> after;

  // How the tokenizer is made available; data.model must be set.
  static Tokenizer seal(std::shared_ptr<const Data> data) { return Tokenizer(std::move(data)); }
};

}  // namespace cadre::text
