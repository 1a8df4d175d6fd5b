// The byte-pair encoding of SentencePiece: merges are not listed but follow from the pieces.
//
// Two neighbours may merge if together they are a piece; the piece of the highest score goes first,
// the leftmost among equals. What a piece is made of does not matter, so even a character that is
// no piece can be part of one. A user-defined piece in the text is one symbol from the start and
// takes part in no merge. A piece that is unused is taken apart again, the way it was made. A
// character that remains without a piece is the unknown piece, one for a run of them, or with byte
// fallback the pieces of its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/code_point_map.h"
#include "text/piece_trie.h"
#include "text/sentencepiece_model.h"
#include "text/token_model.h"

namespace cadre::text {

class ScoredBpeModel : public TokenModel {
 public:
  // Throws Error(unsupported), naming `where`, for pieces beyond PieceTrie::kMaxBytes.
  ScoredBpeModel(const SentencePieceModel& model, std::string_view where);

  void encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& ids) const override;

 private:
  using Splits = std::unordered_map<int32_t, std::pair<int32_t, int32_t>>;

  void make_merges(const SentencePieceModel& model);
  void append(int32_t symbol, const Splits* splits, bool& after_unknown,
              std::vector<int32_t>& ids) const;

  CodePointMap char_ids_;
  CodePointMap reserved_ids_;  // pieces of one character that merges do not see, such as control
  MergeTable merges_{0};
  PieceTrie user_defined_;
  std::vector<bool> unused_;  // by id; empty if no piece is
  std::array<int32_t, 256> byte_ids_;
  int32_t unknown_id_ = -1;
};

}  // namespace cadre::text
