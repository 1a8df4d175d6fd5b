// Tokens that are found in the text before the model runs: <|endoftext|>, role markers, runs of
// spaces.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cadre::text {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool normalized = false;   // looked for in normalised text, in its own normalised form
  bool special = false;      // a control token, left out of decoded text on request
};

// Finds the leftmost occurrence of any token, the longest among those that start there, again and
// again. Immutable, so threads may share it. Each byte of text costs at most the longest token.
class AddedTokenMatcher {
 public:
  // A longer token would make matching a hostile text slow.
  static constexpr size_t kMaxBytes = 1024;

  // Pairs of what to look for and the token found by it; throws Error(unsupported) beyond
  // kMaxBytes and Error(corrupt_data) if two look the same, naming `where`.
  struct Needle {
    std::string text;
    AddedToken token;
  };
  AddedTokenMatcher(std::vector<Needle> needles, std::string_view where);

  bool empty() const { return tokens_.empty(); }

  struct Piece {
    std::string_view text;
    int32_t id;  // of the token that this is, or -1
  };
  // Cuts the text into tokens and what lies between, in order; overwrites `pieces`. Without
  // match_special, special tokens are passed over as if they were text (and tokens that begin
  // inside them are too, as in the reference). Pieces without id are not empty.
  void cut(std::string_view text, bool match_special, std::vector<Piece>& pieces) const;

 private:
  struct Node {
    int32_t token = -1;  // index into tokens_ if a needle ends here
    int32_t child = -1;
    int32_t sibling = -1;
    uint8_t byte = 0;
  };
  struct Found {
    size_t begin;
    size_t end;
    int32_t token;
  };

  int32_t child_of(int32_t node, uint8_t byte) const;
  bool find(std::string_view text, size_t from, Found& found) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<int32_t, 256> roots_;  // the node of each first byte, or -1
  int only_first_byte_ = -1;        // if all needles begin with one byte: it
};

}  // namespace cadre::text
