// Byte-pair encoding of one word, character by character, as the `tokenizers` library does it when
// no ByteLevel step has turned text into bytes (Llama, Mistral).
//
// A word begins as the tokens of its characters. A character without token becomes the tokens
// <0x00> ... <0xFF> of its bytes, if there is byte fallback and the vocabulary has them all, else
// the unknown token, one for a run of such characters if they are fused. Then merges, as in
// bpe_model.h.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/bpe_model.h"
#include "text/code_point_map.h"
#include "text/token_model.h"

namespace cadre::text {

struct CharBpeSpec {
  CodePointMap char_ids;
  std::vector<BpeSpec::Merge> merges;
  std::array<int32_t, 256> byte_ids{};  // of <0x00> ...; all -1 without byte fallback
  int32_t unknown_id = -1;
  bool fuse_unknown = false;
  bool ignore_merges = false;
  std::unordered_map<std::string, int32_t> words;  // all tokens, if ignore_merges
};

class CharBpeModel : public TokenModel {
 public:
  explicit CharBpeModel(CharBpeSpec spec)
      : spec_(std::move(spec)), merges_(merge_table(spec_.merges)) {}

  void encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& ids) const override;

 private:
  CharBpeSpec spec_;
  MergeTable merges_;
};

// The name of a byte's token in vocabularies with byte fallback: "<0x0A>".
std::string byte_token(int byte);
// The byte that a token of that form stands for, or -1; small letters count, as in decoders.
int byte_of_token(std::string_view token);

}  // namespace cadre::text
