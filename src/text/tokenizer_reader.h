// The stages of reading tokenizer.json; used by the sources of the reader only.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_field.h"
#include "text/tokenizer.h"
#include "text/tokenizer_data.h"

namespace cadre::text {

// What "decoder" does to a token by itself; the rest is in DecoderRules.
struct TokenRewriter {
  struct Replacement {
    std::string from;
    std::string to;
  };
  bool byte_level = false;     // tokens are bytes, written as characters
  bool byte_fallback = false;  // <0x0A> is a byte
  std::vector<Replacement> replacements;

  // Fills in what the written form decodes to.
  void rewrite(const std::string& written, Piece& piece) const;
};

// Sequences of sequences are allowed by the format; nobody needs more of them. Throws
// Error(unsupported) beyond a few levels.
void check_depth(const JsonField& field, int depth);

// Names of steps for people, in order: "NFC, Replace".
void append_name(const std::string& type, std::string& names);

void read_normalizer(const JsonField& field, int depth, std::vector<NormalizerStep>& steps,
                     std::string& names);
void read_pre_tokenizer(const JsonField& field, int depth, std::vector<PreTokenizerStep>& steps,
                        std::string& names);
void read_decoder(const JsonField& field, TokenRewriter& rewriter, DecoderRules& rules);
void read_post_processor(const JsonField& field, int depth, Tokenizer::Data& data);

// Adds a token to the vocabulary; throws Error(corrupt_data) if its id is taken and
// Error(unsupported) if it is far beyond the number of tokens.
void add_piece(const JsonField& field, const std::string& written, int64_t id,
               Tokenizer::Data& data);

// Reads "model": fills the vocabulary and data.model. byte_level says that words are bytes. Adds
// the step that cuts words before spaces to the pre-tokenizer's if it changes no token. Gives the
// number of tokens of the model, behind which added tokens are counted.
int64_t read_model(const JsonField& field, bool byte_level, std::vector<PreTokenizerStep>& steps,
                   Tokenizer::Data& data);
void read_bpe(const JsonField& field, bool byte_level, std::vector<PreTokenizerStep>& steps,
              Tokenizer::Data& data);
void read_unigram(const JsonField& field, Tokenizer::Data& data);

// The ids of <0x00> ... <0xFF>, -1 where the vocabulary lacks them.
std::array<int32_t, 256> byte_fallback_ids(const Tokenizer::Data& data);

}  // namespace cadre::text
