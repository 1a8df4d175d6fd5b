#include "infer/prefix_nodes.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/ops/attention.h"
#include "infer/reserved_memory.h"

namespace cadre::infer {
namespace {

constexpr auto kPageTokens = static_cast<size_t>(ops::kAttentionTile);
// Nodes of a chunk beyond those that were expected.
constexpr int64_t kMoreNodes = 1024;

}  // namespace

PrefixNodes::PrefixNodes(int64_t expected, size_t num_groups) : num_groups_(num_groups) {
  chunks_.push_back(reserve_memory({expected, node_bytes()}, DType::u8));
}

int64_t PrefixNodes::node_bytes() const {
  const size_t bytes = sizeof(PrefixNode) + (num_groups_ + kPageTokens) * sizeof(int32_t);
  return static_cast<int64_t>((bytes + alignof(PrefixNode) - 1) / alignof(PrefixNode) *
                              alignof(PrefixNode));
}

PrefixNode* PrefixNodes::next_place() {
  if (used_ == chunks_.back().dim(0)) {
    chunks_.push_back(reserve_memory({kMoreNodes, node_bytes()}, DType::u8));
    used_ = 0;
  }
  auto* place = static_cast<std::byte*>(chunks_.back().raw()) + used_++ * node_bytes();
  return reinterpret_cast<PrefixNode*>(place);
}

PrefixNode* PrefixNodes::make(std::span<const int32_t> tokens) {
  CADRE_CHECK(tokens.size() <= kPageTokens);
  PrefixNode* place = free_ != nullptr ? std::exchange(free_, free_->next) : next_place();
  auto* numbers = reinterpret_cast<int32_t*>(place + 1);
  auto* node = new (place) PrefixNode;
  node->pages = {numbers, num_groups_};
  node->tokens = {numbers + num_groups_, tokens.size()};
  std::ranges::fill(node->pages, -1);
  std::ranges::copy(tokens, node->tokens.begin());
  return node;
}

void PrefixNodes::give_back(PrefixNode* node) { node->next = std::exchange(free_, node); }

}  // namespace cadre::infer
