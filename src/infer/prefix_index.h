// What kept pages of a KV cache hold, found by content: beginnings of earlier texts, so that a
// prompt that begins alike need not be computed again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "infer/prefix_nodes.h"

namespace cadre::infer {

// A trie whose steps are found by hash and compared by token, so that no collision can hand a
// sequence another's keys. Knows pages by number and owns none. Belongs to one thread.
class PrefixIndex {
 public:
  // num_pages of each group.
  explicit PrefixIndex(const std::vector<int64_t>& num_pages);

  PrefixNode* root() { return root_; }
  // The child with exactly these tokens; null if there is none.
  static PrefixNode* find(const PrefixNode& node, std::span<const int32_t> tokens);
  // The same, made if there is none, without pages.
  PrefixNode* insert(PrefixNode* node, std::span<const int32_t> tokens);

  // The node has that page; it must have none in the group, and the page no node.
  void set_page(PrefixNode* node, size_t group, int32_t page);
  // The page's content goes: its node, if it has one, is without it, and gone if it was the last.
  void lose_page(size_t group, int32_t page);

  // A sequence begins or ends to stand at a node, which keeps the node alive.
  static void enter(PrefixNode* node) { ++node->users; }
  void leave(PrefixNode* node);

  int64_t num_nodes() const { return num_nodes_; }

 private:
  // Removes the node, and what only led to it, if nothing needs it.
  void prune(PrefixNode* node);

  PrefixNodes nodes_;
  PrefixNode* root_;
  std::vector<std::vector<PrefixNode*>> node_of_page_;  // [group][page]
  int64_t num_nodes_ = 0;
};

}  // namespace cadre::infer
