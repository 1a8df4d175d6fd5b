// Finding and attaching what the cache holds of the beginning of a text.
#include <algorithm>

#include "core/base/error.h"
#include "infer/paged_cache.h"

namespace cadre::infer {
namespace {

constexpr int64_t kTile = ops::kAttentionTile;

}  // namespace

// Whether a sequence of `length` tokens would find all that it needs of the first `count` pages of
// the path.
bool PagedCache::pages_are_there(const std::vector<PrefixNode*>& path, int64_t count,
                                 int64_t length) const {
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (int64_t tile = 0; tile < count; ++tile) {
      if (is_needed(groups_[g], length, tile) && path[static_cast<size_t>(tile)]->pages[g] < 0) {
        return false;
      }
    }
  }
  return true;
}

PagedCache::Match PagedCache::match(std::span<const int32_t> tokens) {
  PrefixNode* root = index_.root();
  Match found = {root};
  if (!share_prefixes_ || tokens.empty()) return found;
  // The last token runs in any case: its logits are asked for.
  const auto limit = static_cast<int64_t>(tokens.size()) - 1;
  std::vector<PrefixNode*> path;
  const PrefixNode* node = root;
  while ((std::ssize(path) + 1) * kTile <= limit) {
    const auto begin = static_cast<size_t>(std::ssize(path) * kTile);
    PrefixNode* child = PrefixIndex::find(*node, tokens.subspan(begin, kTile));
    if (child == nullptr) break;
    path.push_back(child);
    node = child;
  }
  for (found.pages = std::ssize(path);; --found.pages) {
    const int64_t begin = found.pages * kTile;
    found.node = found.pages > 0 ? path[static_cast<size_t>(found.pages) - 1] : root;
    found.next = nullptr;
    found.rows = 0;
    extend_match(tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(limit - begin)),
                 found);
    if (pages_are_there(path, found.pages, begin + found.rows)) return found;
  }
}

// Looks for the page behind the match that has most in common with the rest of the tokens.
void PagedCache::extend_match(std::span<const int32_t> rest, Match& match) const {
  for (const auto& [hash, child] : match.node->children) {
    if (std::ranges::any_of(child->pages, [](int32_t page) { return page < 0; })) continue;
    const auto [ours, theirs] = std::ranges::mismatch(child->tokens, rest);
    const int64_t common = ours - child->tokens.begin();
    // The filters' rows are those of the page's last token.
    if (has_filters_ && ours != child->tokens.end()) continue;
    if (common > match.rows) {
      match.rows = common;
      match.next = child.get();
    }
  }
}

int64_t PagedCache::reusable(std::span<const int32_t> tokens) {
  const Match found = match(tokens);
  return found.pages * kTile + found.rows;
}

bool PagedCache::fits(std::span<const int32_t> tokens, int64_t length) {
  const Match found = match(tokens);
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    int64_t needed = (length + kTile - 1) / kTile;
    if (group.window > 0) {
      needed = std::min(needed, (sinks_ + kTile - 1) / kTile + group.window / kTile + 2);
    } else {
      const PrefixNode* node = found.node;
      for (int64_t tile = found.pages; tile-- > 0; node = node->parent) {
        if (group.pool.owners(node->pages[g]) > 0) --needed;
      }
    }
    if (needed > group.pool.available()) return false;
  }
  return true;
}

// Copies the page that begins alike; false if there is no page left for it.
bool PagedCache::copy_next(Context& ctx, CacheSequence& sequence, const Match& match) {
  const std::vector<int32_t> sources = match.next->pages;
  // Owned, so that they are not taken for the copies.
  for (size_t g = 0; g < groups_.size(); ++g) groups_[g].pool.share(sources[g]);
  std::vector<int32_t> copies;
  for (size_t g = 0; g < groups_.size(); ++g) copies.push_back(acquire(g));
  const bool enough = std::ranges::all_of(copies, [](int32_t page) { return page >= 0; });
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (enough) {
      copy_page(ctx, g, sources[g], copies[g], match.rows);
      sequence.tables[g].push_back(copies[g]);
    } else if (copies[g] >= 0) {
      groups_[g].pool.release(copies[g]);
    }
    groups_[g].pool.release(sources[g]);
  }
  return enough;
}

int64_t PagedCache::attach(Context& ctx, CacheSequence& sequence, std::span<const int32_t> tokens) {
  CADRE_CHECK(sequence.length == 0 && sequence.indexed == 0);
  const Match found = match(tokens);
  PrefixIndex::enter(found.node);
  index_.leave(sequence.node);
  sequence.node = found.node;
  sequence.indexed = found.pages;
  sequence.length = found.pages * kTile;
  for (size_t g = 0; g < groups_.size(); ++g) {
    std::vector<int32_t>& table = sequence.tables[g];
    // Whatever such a sequence might have left over is given back first.
    for (const int32_t page : table) {
      if (page >= 0) groups_[g].pool.release(page);
    }
    table.assign(static_cast<size_t>(found.pages), -1);
    const PrefixNode* node = found.node;
    for (int64_t tile = found.pages; tile-- > 0; node = node->parent) {
      if (!is_needed(groups_[g], sequence.length + found.rows, tile)) continue;
      groups_[g].pool.share(node->pages[g]);
      table[static_cast<size_t>(tile)] = node->pages[g];
    }
  }
  if (found.rows == 0) return sequence.length;
  if (copy_next(ctx, sequence, found)) {
    sequence.length += found.rows;
  } else {
    // What lies behind the window may be missing now.
    give_back(sequence);
  }
  return sequence.length;
}

}  // namespace cadre::infer
