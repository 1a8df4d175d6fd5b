// Tokenizers from parts, for files of other kinds than tokenizer.json: a SentencePiece model and
// what stands beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer.h"

namespace cadre::text {

// What is laid around a SentencePiece model. By default, text goes through the model as through
// SentencePiece itself, control pieces written in the text are tokens if EncodeOptions ask for it,
// and the piece bos_id, if it is a control piece, stands before the text.
struct SentencePieceSetup {
  // Found in the text before the model runs. An id of the model is redefined: the piece that had it
  // is no longer produced, whatever the text, and the id decodes to the new content. A content that
  // is a piece of another id takes that id if `id` is -1. Other ids follow the pieces.
  std::vector<AddedToken> added_tokens;
  // Whether each stretch of text between tokens found before the model ran gets the dummy prefix
  // (Llama's "legacy" behaviour), or only one at the beginning of the whole text.
  bool prefix_every_stretch = true;
  bool add_bos = true;
  bool add_eos = false;
  int32_t bos_id = -1;  // -1: that of the model
  int32_t eos_id = -1;
};

// Builds the tokenizer; ids and decoded text are SentencePiece's. `files` is what Tokenizer::files
// will give. Throws as check_sentencepiece_model, and Error(corrupt_data) if added tokens
// contradict each other.
Tokenizer make_sentencepiece_tokenizer(const SentencePieceModel& model,
                                       const SentencePieceSetup& setup, std::string_view where,
                                       std::vector<TokenizerFile> files = {});

}  // namespace cadre::text
