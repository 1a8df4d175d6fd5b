#include "infer/prefix_index.h"

#include <algorithm>
#include <numeric>

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
  for (PrefixNode* child = node.first_child; child != nullptr; child = child->next) {
    if (child->hash == hash && std::ranges::equal(child->tokens, tokens)) return child;
  }
  return nullptr;
}

}  // namespace

// A node for each page and the root; more are needed only where pages behind windows have gone.
PrefixIndex::PrefixIndex(const std::vector<int64_t>& num_pages)
    : nodes_(std::accumulate(num_pages.begin(), num_pages.end(), int64_t{1}), num_pages.size()),
      root_(nodes_.make({})) {
  for (const int64_t count : num_pages) {
    node_of_page_.emplace_back(static_cast<size_t>(count), nullptr);
  }
  root_->users = 1;
}

PrefixNode* PrefixIndex::find(const PrefixNode& node, std::span<const int32_t> tokens) {
  return find_hashed(node, hash_of(tokens), tokens);
}

PrefixNode* PrefixIndex::insert(PrefixNode* node, std::span<const int32_t> tokens) {
  const uint64_t hash = hash_of(tokens);
  if (PrefixNode* found = find_hashed(*node, hash, tokens)) return found;
  PrefixNode* child = nodes_.make(tokens);
  child->parent = node;
  child->hash = hash;
  child->next = node->first_child;
  if (child->next != nullptr) child->next->previous = child;
  node->first_child = child;
  ++num_nodes_;
  return child;
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
  while (node->users == 0 && node->first_child == nullptr &&
         std::ranges::all_of(node->pages, [](int32_t page) { return page < 0; })) {
    PrefixNode* parent = node->parent;  // never null: the root always has a user
    (node->previous != nullptr ? node->previous->next : parent->first_child) = node->next;
    if (node->next != nullptr) node->next->previous = node->previous;
    nodes_.give_back(node);
    --num_nodes_;
    node = parent;
  }
}

}  // namespace cadre::infer
