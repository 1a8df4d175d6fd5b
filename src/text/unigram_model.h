// The unigram language model: of all ways to cut a word into pieces, the one whose scores
// (logarithms of probabilities) have the largest sum, found by dynamic programming from left to
// right. Among equals the one counts that was found first: its last piece is the longest. Kudo,
// "Subword Regularization", arXiv:1804.10959.
//
// How sums are rounded decides between pieces where two ways are (nearly) equal; it is the
// reference's.
//
// A character where no piece of one character begins may be unknown, at ten below the lowest score.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/piece_trie.h"
#include "text/sentencepiece_model.h"
#include "text/token_model.h"

namespace cadre::text {

struct UnigramSpec {
  struct Piece {
    std::string text;
    double score = 0;
    bool matches = true;        // found in words, as opposed to control pieces
    bool user_defined = false;  // goes before all others (SentencePiece)
    bool counts = true;         // its score counts for the lowest and the highest
  };
  std::vector<Piece> pieces;  // by id
  int32_t unknown_id = 0;
  bool fuse_unknown = true;  // one unknown token for a run of unknown characters
  // Of the pieces <0x00> ...; unknown characters become their bytes. -1 each without byte fallback.
  std::array<int32_t, 256> byte_ids{};
  // Sums are f32, as SentencePiece (0.2.3) keeps them, and start from 0 again once they are beyond
  // -100000; the `tokenizers` library keeps f64.
  bool single_precision = false;
};

UnigramSpec unigram_spec(const SentencePieceModel& model);

class UnigramModel : public TokenModel {
 public:
  // Throws Error(unsupported), naming `where`, for pieces beyond PieceTrie::kMaxBytes.
  UnigramModel(UnigramSpec spec, std::string_view where);

  void encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& ids) const override;

 private:
  template <typename Sum>
  void find_path(std::string_view word, std::vector<ModelScratch::PathNode>& path) const;
  void append_unknown(std::string_view text, std::vector<int32_t>& ids) const;

  UnigramSpec spec_;
  PieceTrie trie_;
  std::vector<double> scores_;  // by id
  size_t longest_ = 4;          // bytes of a piece or of an unknown character
  double unknown_score_ = 0;
  double highest_score_ = 0;
};

}  // namespace cadre::text
