// Pieces that begin at a place of a text, found in one walk along it: a double-array trie. Aoe, "An
// efficient digital search algorithm by using a double-array structure", 1989.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace cadre::text {

// Immutable, so threads may share it.
class PieceTrie {
 public:
  // A longer piece would make walks along hostile text slow.
  static constexpr size_t kMaxBytes = 1024;

  // Pairs of a piece and its value, >= 0. Of equal pieces the last counts; empty ones are passed
  // over. Throws Error(unsupported), naming `where`, beyond kMaxBytes.
  PieceTrie(std::vector<std::pair<std::string_view, int32_t>> pieces, std::string_view where);

  bool empty() const { return nodes_.empty(); }

  // Calls visit(length, value) for each piece that text begins with, shortest first.
  template <typename Visit>
  void for_each_prefix(std::string_view text, const Visit& visit) const {
    if (nodes_.empty()) return;
    int32_t node = 0;
    for (size_t at = 0; at < text.size(); ++at) {
      const int32_t next = nodes_[node].base ^ static_cast<uint8_t>(text[at]);
      if (nodes_[next].parent != node) return;
      node = next;
      if (nodes_[node].value >= 0) visit(at + 1, nodes_[node].value);
    }
  }

  // The longest piece that text begins with: its length, 0 if there is none.
  size_t longest_prefix(std::string_view text, int32_t& value) const {
    size_t longest = 0;
    for_each_prefix(text, [&](size_t length, int32_t found) {
      longest = length;
      value = found;
    });
    return longest;
  }

 private:
  // The child of a node by byte b stands at base ^ b if that place names the node as its parent.
  // Places come in blocks of 256, so base ^ b is always inside.
  struct Node {
    int32_t base = 0;
    int32_t parent = -1;
    int32_t value = -1;
  };
  class Builder;

  std::vector<Node> nodes_;  // the root is the first
};

}  // namespace cadre::text
