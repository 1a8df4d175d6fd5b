// Byte-pair encoding of one word, byte by byte.
//
// A word begins as the tokens of its bytes. Of all neighbouring pairs that have a merge, the one of
// lowest rank (the leftmost, among equals) becomes one token, until no pair has a merge. Sennrich,
// Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units",
// arXiv:1508.07909.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/merge_table.h"
#include "text/token_model.h"

namespace cadre::text {

// What a file says, checked: ids are in [0, 2^31), merges name tokens that exist.
struct BpeSpec {
  struct Merge {
    int32_t left;
    int32_t right;
    int32_t merged;
  };
  std::array<int32_t, 256> byte_ids{};  // the token of each byte, -1 if the vocabulary lacks it
  std::vector<Merge> merges;            // by ascending rank
  int32_t unknown_id = -1;              // stands for bytes without token; -1 leaves them out
  bool fuse_unknown = false;            // one unknown token for a run of such bytes
  bool ignore_merges = false;           // a word that is a token is that token, whatever the merges
  std::unordered_map<std::string, int32_t> words;  // bytes of all tokens, if ignore_merges
};

// The merges in a table, by rank.
MergeTable merge_table(const std::vector<BpeSpec::Merge>& merges);

// A word of n bytes takes O(n log n).
class BpeModel : public TokenModel {
 public:
  explicit BpeModel(BpeSpec spec);

  void encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& ids) const override;

 private:
  std::array<int32_t, 256> byte_ids_;
  MergeTable merges_;
  int32_t unknown_id_;
  bool fuse_unknown_;
  bool ignore_merges_;
  std::unordered_map<std::string, int32_t> words_;
};

}  // namespace cadre::text
