// The memory of a trie of pages: nodes of one size, reserved for all pages at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor/tensor.h"

namespace cadre::infer {

// The tokens of one page behind those of its parents: a chain from the root spells the beginning of
// a text. Only leaves may have fewer tokens than a page. A node whose pages are lost stays as long
// as something stands behind it, for with windows a text is found by its last pages alone: a chain
// takes as much memory as the tokens of its text, until the last of its pages is lost.
struct PrefixNode {
  PrefixNode* parent = nullptr;
  PrefixNode* first_child = nullptr;
  PrefixNode* next = nullptr;  // among the children of the parent
  PrefixNode* previous = nullptr;
  uint64_t hash = 0;  // of the tokens
  std::span<int32_t> tokens;
  std::span<int32_t> pages;  // one for each group of layers; -1 where the page is lost
  int64_t users = 0;         // sequences whose last full page this is
};

// Hands out nodes and takes them back. The system provides memory as nodes are used for the first
// time; nothing is allocated for one unless there are more than expected. Belongs to one thread.
class PrefixNodes {
 public:
  PrefixNodes(int64_t expected, size_t num_groups);
  PrefixNodes(PrefixNodes&&) = default;
  PrefixNodes& operator=(PrefixNodes&&) = default;

  // A node by itself with those tokens, no more than a page, and no pages.
  PrefixNode* make(std::span<const int32_t> tokens);
  void give_back(PrefixNode* node);

 private:
  int64_t node_bytes() const;
  PrefixNode* next_place();

  size_t num_groups_;
  std::vector<Tensor> chunks_;  // [nodes, node_bytes()]: node, pages, tokens
  int64_t used_ = 0;            // of the last chunk
  PrefixNode* free_ = nullptr;  // linked by `next`
};

}  // namespace cadre::infer
