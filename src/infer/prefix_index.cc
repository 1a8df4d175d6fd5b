#include "infer/prefix_index.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/base/random.h"

namespace cadre::infer {
namespace {

uint64_t hash_of(std::span<const int32_t> tokens) {
  uint64_t hash = mix_bits(tokens.size());
  for (const int32_t token : tokens) hash = mix_bits(hash ^ static_cast<uint32_t>(token));
  return hash;
}

PrefixNode* find_hashed(const PrefixNode& node, uint64_t hash, std::span<const int32_t> tokens) {
  const auto [begin, end] = node.children.equal_range(hash);
  for (auto child = begin; child != end; ++child) {
    if (std::ranges::equal(child->second->tokens, tokens)) return child->second.get();
  }
  return nullptr;
}

}  // namespace

PrefixIndex::PrefixIndex(std::vector<int64_t> num_pages) : root_(std::make_unique<PrefixNode>()) {
  for (const int64_t count : num_pages) {
    node_of_page_.emplace_back(static_cast<size_t>(count), nullptr);
  }
  root_->pages.assign(num_pages.size(), -1);
  root_->users = 1;
}

// One after the other, not each within its parent's end: the chain of a long text is deep.
PrefixIndex::~PrefixIndex() {
  std::vector<std::unique_ptr<PrefixNode>> left;
  left.push_back(std::move(root_));
  while (!left.empty()) {
    const std::unique_ptr<PrefixNode> node = std::move(left.back());
    left.pop_back();
    if (node == nullptr) continue;  // of an index that was moved from
    for (auto& [hash, child] : node->children) left.push_back(std::move(child));
  }
}

PrefixNode* PrefixIndex::find(const PrefixNode& node, std::span<const int32_t> tokens) {
  return find_hashed(node, hash_of(tokens), tokens);
}

PrefixNode* PrefixIndex::insert(PrefixNode* node, std::span<const int32_t> tokens) {
  const uint64_t hash = hash_of(tokens);
  if (PrefixNode* found = find_hashed(*node, hash, tokens)) return found;
  auto child = std::make_unique<PrefixNode>();
  child->parent = node;
  child->hash = hash;
  child->tokens.assign(tokens.begin(), tokens.end());
  child->pages.assign(node_of_page_.size(), -1);
  ++num_nodes_;
  return node->children.emplace(hash, std::move(child))->second.get();
}

void PrefixIndex::set_page(PrefixNode* node, size_t group, int32_t page) {
  PrefixNode*& entry = node_of_page_[group].at(static_cast<size_t>(page));
  CADRE_CHECK(entry == nullptr && node->pages[group] < 0);
  entry = node;
  node->pages[group] = page;
}

void PrefixIndex::lose_page(size_t group, int32_t page) {
  PrefixNode*& entry = node_of_page_[group].at(static_cast<size_t>(page));
  if (entry == nullptr) return;
  PrefixNode* node = entry;
  entry = nullptr;
  node->pages[group] = -1;
  prune(node);
}

void PrefixIndex::leave(PrefixNode* node) {
  CADRE_CHECK(node->users > 0);
  --node->users;
  prune(node);
}

void PrefixIndex::prune(PrefixNode* node) {
  while (node->users == 0 && node->children.empty() &&
         std::ranges::all_of(node->pages, [](int32_t page) { return page < 0; })) {
    PrefixNode* parent = node->parent;  // never null: the root always has a user
    const auto [begin, end] = parent->children.equal_range(node->hash);
    const auto place =
        std::find_if(begin, end, [&](const auto& child) { return child.second.get() == node; });
    CADRE_CHECK(place != end);
    parent->children.erase(place);
    --num_nodes_;
    node = parent;
  }
}

}  // namespace cadre::infer
