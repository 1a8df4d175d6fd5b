// What a SentencePiece model is made of, wherever it was written down: tokenizer.model, which is a
// ModelProto of protocol buffers, or the metadata of a GGUF file.
//
// Kudo and Richardson, "SentencePiece: A simple and language independent subword tokenizer and
// detokenizer for Neural Text Processing", arXiv:1808.06226.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cadre::text {

struct SentencePieceModel {
  enum class Kind { unigram, bpe };
  // Numbers as in the file. A control piece never matches text, a user-defined one always does; an
  // unused one is what merges may pass through but not end in; a byte piece is written "<0x0A>", in
  // capitals.
  enum class Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Piece {
    std::string text;  // valid UTF-8; spaces are written as U+2581
    float score = 0;   // the larger, the better
    Type type = Type::normal;
  };

  Kind kind = Kind::unigram;
  std::vector<Piece> pieces;  // by id
  bool byte_fallback = false;
  // Names by role; ids that the pieces lack stand for absence.
  int64_t bos_id = 1;
  int64_t eos_id = 2;
  std::string unknown_surface = " \u2047 ";  // what the unknown piece decodes to

  // Normalisation of text, in this order.
  std::string charsmap;  // precompiled, see chars_map.h; empty: characters stay as they are
  bool remove_extra_whitespaces = true;  // at both ends, and all but one of a run
  bool add_dummy_prefix = true;          // a space before the text
  bool escape_whitespaces = true;        // U+2581 instead of a space
};

// Reads a ModelProto. Fields that training used are passed over. Throws Error(corrupt_data) if the
// bytes are no such message or contradict themselves (a piece twice, none or two unknown pieces,
// byte fallback without 256 byte pieces) and Error(unsupported) for models of words or characters,
// spaces at the end of words, or a denormaliser. Messages begin with `where`.
SentencePieceModel read_sentencepiece_model(std::string_view bytes, std::string_view where);

// The checks above, for models from elsewhere.
void check_sentencepiece_model(const SentencePieceModel& model, std::string_view where);

// U+2581 LOWER ONE EIGHTH BLOCK, which stands for a space.
inline constexpr std::string_view kSpaceMark = "\u2581";

}  // namespace cadre::text
