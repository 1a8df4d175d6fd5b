// Finding and attaching what the cache holds of the beginning of a text.
#include <algorithm>

#include "core/base/error.h"
#include "infer/paged_cache.h"

namespace cadre::infer {
namespace {

constexpr int64_t kTile = ops::kAttentionTile;

// How many of the first pages of a path have been lost, for each group.
std::vector<std::vector<int64_t>> count_lost(const std::vector<PrefixNode*>& path,
                                             size_t num_groups) {
  std::vector<std::vector<int64_t>> lost(num_groups, {0});
  for (size_t g = 0; g < num_groups; ++g) {
    for (const PrefixNode* node : path) {
      lost[g].push_back(lost[g].back() + (node->pages[g] < 0 ? 1 : 0));
    }
  }
  return lost;
}

}  // namespace

// Looks behind `first` full pages that end with the node `start` and that the caller has.
PagedCache::Match PagedCache::match(PrefixNode* start, int64_t first,
                                    std::span<const int32_t> tokens) const {
  Match found = {start, first};
  // The last token runs in any case: its logits are asked for.
  const auto limit = std::ssize(tokens) - 1;
  if (!share_prefixes_ || limit <= first * kTile) return found;
  std::vector<PrefixNode*> path;
  const PrefixNode* node = start;
  while ((first + std::ssize(path) + 1) * kTile <= limit) {
    const auto begin = static_cast<size_t>((first + std::ssize(path)) * kTile);
    PrefixNode* child = PrefixIndex::find(*node, tokens.subspan(begin, kTile));
    if (child == nullptr) break;
    path.push_back(child);
    node = child;
  }
  // The longest part of the path whose pages are there as far as a sequence would need them.
  const std::vector<std::vector<int64_t>> lost = count_lost(path, groups_.size());
  const auto is_there = [&](int64_t length) {
    const int64_t pages = found.pages - first;
    for (size_t g = 0; g < groups_.size(); ++g) {
      const int64_t sinks = std::clamp<int64_t>((sinks_ + kTile - 1) / kTile - first, 0, pages);
      const int64_t from = std::clamp<int64_t>(first_needed(groups_[g], length) - first, 0, pages);
      const auto at = [&](int64_t i) { return lost[g][static_cast<size_t>(i)]; };
      if (at(sinks) > 0 || at(pages) > at(from)) return false;
    }
    return true;
  };
  for (found.pages += std::ssize(path);; --found.pages) {
    const int64_t begin = found.pages * kTile;
    found.node = found.pages > first ? path[static_cast<size_t>(found.pages - first) - 1] : start;
    found.next = nullptr;
    found.rows = 0;
    extend_match(tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(limit - begin)),
                 found);
    if (is_there(begin + found.rows)) return found;
  }
}

// Looks for the page behind the match that has most in common with the rest of the tokens.
void PagedCache::extend_match(std::span<const int32_t> rest, Match& match) const {
  for (PrefixNode* child = match.node->first_child; child != nullptr; child = child->next) {
    if (std::ranges::any_of(child->pages, [](int32_t page) { return page < 0; })) continue;
    const auto [ours, theirs] = std::ranges::mismatch(child->tokens, rest);
    const int64_t common = ours - child->tokens.begin();
    // The filters' rows are those of the page's last token.
    if (has_filters_ && ours != child->tokens.end()) continue;
    if (common > match.rows) {
      match.rows = common;
      match.next = child;
    }
  }
}

int64_t PagedCache::reusable(std::span<const int32_t> tokens) {
  const Match found = match(index_.root(), 0, tokens);
  return found.pages * kTile + found.rows;
}

// Pages that a sequence of that length owns, about: a step may need a few more.
int64_t PagedCache::pages_of(const Group& group, int64_t length) const {
  const int64_t all = (length + kTile - 1) / kTile;
  if (group.window == 0) return all;
  return std::min(all, (sinks_ + kTile - 1) / kTile + group.window / kTile + 2);
}

void PagedCache::add_missing(const CacheSequence& sequence, int64_t length,
                             std::vector<int64_t>& pages) const {
  for (size_t g = 0; g < groups_.size(); ++g) {
    const auto has =
        std::ranges::count_if(sequence.tables[g], [](int32_t page) { return page >= 0; });
    pages[g] += std::max<int64_t>(0, pages_of(groups_[g], length) - has);
  }
}

bool PagedCache::fits(std::span<const int32_t> tokens, int64_t length,
                      std::span<const int64_t> promised) {
  const Match found = match(index_.root(), 0, tokens);
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    int64_t needed = pages_of(group, length) + promised[g];
    if (group.window == 0) {
      const PrefixNode* node = found.node;
      for (int64_t tile = found.pages; tile-- > 0; node = node->parent) {
        if (group.pool.owners(node->pages[g]) > 0) --needed;
      }
    }
    if (needed > group.pool.available()) return false;
  }
  return true;
}

bool PagedCache::reads_page_of(const CacheSequence& reader, std::span<const int32_t> reader_tokens,
                               const CacheSequence& other,
                               std::span<const int32_t> other_tokens) const {
  const int64_t begin = other.indexed * kTile;
  if (!share_prefixes_ || reader.node != other.node || other.length != begin) return false;
  // The last token of all runs in any case.
  if (std::ssize(reader_tokens) < begin + kTile || std::ssize(other_tokens) <= begin + kTile) {
    return false;
  }
  return std::ranges::equal(reader_tokens.subspan(static_cast<size_t>(begin), kTile),
                            other_tokens.subspan(static_cast<size_t>(begin), kTile));
}

// In a pass over damaged numbers those of a token reach what stands before it in its page. Where
// two texts part the second must not see them.
bool PagedCache::next_is_finite(const Match& match) const {
  for (int64_t l = 0; l < num_layers(); ++l) {
    if (!layer(l).is_finite(match.next->pages[group_of(l)], match.rows)) return false;
  }
  return true;
}

// Copies the page that begins alike; false if there is no page left for it.
bool PagedCache::copy_next(Context& ctx, CacheSequence& sequence, const Match& match) {
  const std::vector<int32_t> sources(match.next->pages.begin(), match.next->pages.end());
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

// The sequence owns the pages behind its own up to the match as well, those that it would need at
// one of the two lengths that it may have in the end.
void PagedCache::share_pages(CacheSequence& sequence, const Match& match) {
  const int64_t length = match.pages * kTile;
  for (size_t g = 0; g < groups_.size(); ++g) {
    std::vector<int32_t>& table = sequence.tables[g];
    // Whatever the sequence has beyond its tokens is given back first.
    for (; std::ssize(table) > sequence.indexed; table.pop_back()) {
      if (table.back() >= 0) groups_[g].pool.release(table.back());
    }
    table.resize(static_cast<size_t>(match.pages), -1);
    const PrefixNode* node = match.node;
    for (int64_t tile = match.pages; tile-- > sequence.indexed; node = node->parent) {
      const bool wanted =
          is_needed(groups_[g], length, tile) || is_needed(groups_[g], length + match.rows, tile);
      if (!wanted || node->pages[g] < 0) continue;
      groups_[g].pool.share(node->pages[g]);
      table[static_cast<size_t>(tile)] = node->pages[g];
    }
  }
}

int64_t PagedCache::attach(Context& ctx, CacheSequence& sequence, std::span<const int32_t> tokens) {
  const int64_t before = sequence.length;
  if (before != sequence.indexed * kTile) return 0;
  const Match found = match(sequence.node, sequence.indexed, tokens);
  if (found.pages == sequence.indexed && found.rows == 0) return 0;
  ++changes_;
  PrefixIndex::enter(found.node);  // whoever loses pages to the copy
  share_pages(sequence, found);
  int64_t length = found.pages * kTile;
  if (found.rows > 0 && next_is_finite(found) && copy_next(ctx, sequence, found)) {
    length += found.rows;
  } else if (!has_all(sequence, length)) {
    // Without the copy more has to be there, and is not: all stays as it was.
    const Match none = {sequence.node, sequence.indexed};
    share_pages(sequence, none);
    index_.leave(found.node);
    return 0;
  }
  index_.leave(sequence.node);
  sequence.node = found.node;
  sequence.indexed = found.pages;
  sequence.length = length;
  release_behind(sequence, before);
  return length - before;
}

}  // namespace cadre::infer
