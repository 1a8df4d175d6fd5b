// What kept pages of a KV cache hold, found by content: beginnings of earlier texts, so that a
// prompt that begins alike need not be computed again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace cadre::infer {

// The tokens of one page behind those of its parents: a chain from the root spells the beginning of
// a text. Only leaves may have fewer tokens than a page. A node whose pages are lost stays as long
// as something stands behind it, for with windows a text is found by its last pages alone: a chain
// takes as much memory as the tokens of its text, until the last of its pages is lost.
struct PrefixNode {
  PrefixNode* parent = nullptr;
  uint64_t hash = 0;  // of the tokens
  std::vector<int32_t> tokens;
  std::vector<int32_t> pages;  // one for each group of layers; -1 where the page is lost
  std::unordered_multimap<uint64_t, std::unique_ptr<PrefixNode>> children;
  int64_t users = 0;  // sequences whose last full page this is
};

// A trie whose steps are found by hash and compared by token, so that no collision can hand a
// sequence another's keys. Knows pages by number and owns none. Belongs to one thread.
class PrefixIndex {
 public:
  // num_pages of each group.
  explicit PrefixIndex(std::vector<int64_t> num_pages);
  PrefixIndex(PrefixIndex&&) = default;
  PrefixIndex& operator=(PrefixIndex&&) = default;
  ~PrefixIndex();

  PrefixNode* root() { return root_.get(); }
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

  std::unique_ptr<PrefixNode> root_;
  std::vector<std::vector<PrefixNode*>> node_of_page_;  // [group][page]
  int64_t num_nodes_ = 0;
};

}  // namespace cadre::infer
