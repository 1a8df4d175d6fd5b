// The vocabulary as a tree of bytes, walked once for all tokens that begin alike.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenizer.h"

namespace cadre::text::grammar {

// Special tokens and ids without text are not in it: no grammar speaks of them. Nodes stand in the
// order of a walk (a node, then its subtree), so a subtree is a range. Immutable.
class TokenTrie {
 public:
  struct Node {
    uint32_t end;          // where the subtree ends
    uint32_t first_token;  // its own tokens, then those of the subtree, end where node `end` begins
    uint16_t depth;        // bytes from the root
    uint8_t byte;
    // The longest way down from its parent, in bytes, if the whole subtree consists of bytes that a
    // JSON string has as they are (is_plain); 0 if not, or if longer than 255.
    uint8_t plain_height;
  };

  explicit TokenTrie(const Tokenizer& tokenizer);

  // The last node is none: it ends the others. Node 0 is the root.
  std::span<const Node> nodes() const { return nodes_; }
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()) - 1; }
  // Ids of tokens in the order of their bytes.
  std::span<const int32_t> tokens() const { return tokens_; }
  int64_t vocab_size() const { return vocab_size_; }

  static bool is_plain(uint8_t byte) {
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
  }

 private:
  std::vector<Node> nodes_;
  std::vector<int32_t> tokens_;
  int64_t vocab_size_;
};

}  // namespace cadre::text::grammar
