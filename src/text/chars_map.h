// SentencePiece's precompiled table of characters to rewrite, such as nmt_nfkc: strings of a few
// characters to strings.
//
// The table is a double-array trie of Darts-clone whose values are offsets into a block of strings,
// each of which ends in a zero byte: four bytes with the size of the trie, the trie, the block; all
// numbers are little-endian.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cadre::text {

// Immutable, so threads may share it.
class CharsMap {
 public:
  // Throws Error(corrupt_data), naming `where`, if the bytes are no such table: any walk in it
  // stays inside.
  CharsMap(std::string_view bytes, std::string_view where);

  struct Match {
    size_t length = 0;         // bytes of text, 0 if there is no match
    std::string_view content;  // what they become
  };
  // The longest string of the table that the text begins with; SentencePiece looks no further than
  // the first 32 strings that match.
  Match longest(std::string_view text) const;
  // The shortest one.
  Match shortest(std::string_view text) const;

  // The text rewritten as the `tokenizers` library does it: a grapheme cluster of fewer than six
  // bytes becomes what its shortest match says, whatever is behind that; in a longer one, and in
  // one without match, so does each character. Appends; stops once `out` has more than `most`
  // bytes.
  void rewrite_graphemes(std::string_view text, std::string& out, size_t most = SIZE_MAX) const;

 private:
  template <typename Visit>
  void walk(std::string_view text, const Visit& visit) const;
  std::string_view content_at(uint32_t offset) const;

  std::vector<uint32_t> units_;
  std::string strings_;  // ends in a zero byte
};

}  // namespace cadre::text
