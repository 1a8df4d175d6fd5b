#include "infer/paged_cache.h"

#include <algorithm>
#include <numeric>

#include "core/base/error.h"

namespace cadre::infer {
namespace {

constexpr int64_t kTile = ops::kAttentionTile;

int64_t tiles_of(int64_t tokens) { return (tokens + kTile - 1) / kTile; }

int32_t& entry(std::vector<int32_t>& table, int64_t tile) {
  return table[static_cast<size_t>(tile)];
}

// Pages for num_tokens; of layers with a window no more than their sequences can need at a time.
int64_t num_pages(const CacheOptions& options, int64_t window) {
  const int64_t all = std::max<int64_t>(1, tiles_of(options.num_tokens));
  if (window == 0) return all;
  const int64_t each =
      tiles_of(options.sinks) + tiles_of(window + options.rewind + options.step_tokens) + 2;
  return std::min(all, each * options.max_sequences);
}

// Of two windows; 0 is none.
int64_t narrower(int64_t a, int64_t b) { return a == 0 || b == 0 ? a + b : std::min(a, b); }

// Positions are 32 bits wide.
constexpr int64_t kEndless = (int64_t{1} << 31) - (int64_t{1} << 20);

}  // namespace

PagedCache::PagedCache(const model::ModelSpec& spec, DType compute, const CacheOptions& options)
    : share_prefixes_(options.share_prefixes),
      rewind_(options.rewind),
      sinks_(options.sinks),
      beyond_context_(options.beyond_context || options.sinks > 0),
      capacity_(spec.max_positions),
      index_(std::vector<int64_t>()) {
  model::expect_can_decode(spec);
  if (options.window < 0 || sinks_ < 0 || (sinks_ > 0 && options.window == 0)) {
    fail(ErrorKind::invalid_input,
         "KV cache: {} attention sinks and a window of {}, expected sinks "
         "with a window",
         sinks_, options.window);
  }
  if (beyond_context_) capacity_ = kEndless;
  for (int64_t layer = 0; layer < spec.num_layers(); ++layer) {
    const model::AttentionSpec& attention = spec.blocks[static_cast<size_t>(layer)].attention;
    const int64_t window = narrower(attention.window, options.window);
    auto group = std::ranges::find(groups_, window, &Group::window);
    if (group == groups_.end()) {
      int64_t count = num_pages(options, window);
      // What one text needs at least, a step of one token included.
      const int64_t least = tiles_of(sinks_) + tiles_of(window + rewind_) + 2;
      if (window > 0 && beyond_context_) count = std::max(count, least);
      if (window == 0 || count < least) capacity_ = std::min(capacity_, count * kTile);
      groups_.push_back({window, {}, PagePool(count)});
      group = groups_.end() - 1;
    }
    group->layers.push_back(layer);
    group_of_layer_.push_back(static_cast<size_t>(group - groups_.begin()));
    layers_.emplace_back(spec, layer, group->pool.size(), compute, options.type);
    has_filters_ = has_filters_ || attention.filter.has_value();
  }
  std::vector<int64_t> counts;
  for (const Group& group : groups_) counts.push_back(group.pool.size());
  index_ = PrefixIndex(counts);
}

CacheSequence PagedCache::make_sequence(int64_t length) {
  CacheSequence sequence;
  sequence.tables.resize(groups_.size());
  for (std::vector<int32_t>& table : sequence.tables) {
    table.reserve(static_cast<size_t>(tiles_of(length)));
  }
  sequence.node = index_.root();
  PrefixIndex::enter(sequence.node);
  return sequence;
}

// The first tile that the token at `length` sees, sinks aside, or whose filter rows it needs.
int64_t PagedCache::first_needed(const Group& group, int64_t length) const {
  if (group.window == 0 || length < sinks_ + group.window) return 0;
  const int64_t first_key = std::max<int64_t>(0, length + 1 - group.window);
  return std::min(first_key, length - 1) / kTile;
}

bool PagedCache::is_needed(const Group& group, int64_t length, int64_t tile) const {
  return tile < tiles_of(sinks_) || tile >= first_needed(group, length);
}

int32_t PagedCache::acquire(size_t group) {
  return groups_[group].pool.acquire([&](int32_t page) { index_.lose_page(group, page); });
}

void PagedCache::copy_page(Context& ctx, size_t group, int32_t from, int32_t to, int64_t rows) {
  const std::vector<int64_t>& layers = groups_[group].layers;
  ctx.for_blocks(static_cast<int64_t>(layers.size()), 1, [&](Range part) {
    for (int64_t i = part.begin; i < part.end; ++i) {
      layer(layers[static_cast<size_t>(i)]).copy(from, to, rows);
    }
  });
  ++copied_;
}

int64_t PagedCache::extendable(const CacheSequence& sequence, int64_t count) const {
  for (size_t g = 0; g < groups_.size(); ++g) {
    const std::vector<int32_t>& table = sequence.tables[g];
    int64_t pages = groups_[g].pool.available();
    if (sequence.length % kTile != 0) {
      const int32_t last = table[static_cast<size_t>(sequence.length / kTile)];
      if (groups_[g].pool.owners(last) > 1 && --pages < 0) return 0;
    }
    const int64_t room = (static_cast<int64_t>(table.size()) + pages) * kTile - sequence.length;
    count = std::min(count, room);
  }
  return count;
}

void PagedCache::reserve(Context& ctx, CacheSequence& sequence, int64_t count) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    std::vector<int32_t>& table = sequence.tables[g];
    PagePool& pool = groups_[g].pool;
    if (const int64_t rows = sequence.length % kTile; rows != 0) {
      int32_t& last = entry(table, sequence.length / kTile);
      if (pool.owners(last) > 1) {
        const int32_t copy = acquire(g);
        CADRE_CHECK(copy >= 0);
        copy_page(ctx, g, last, copy, rows);
        pool.release(last);
        last = copy;
      }
    }
    while (static_cast<int64_t>(table.size()) < tiles_of(sequence.length + count)) {
      table.push_back(acquire(g));
      CADRE_CHECK(table.back() >= 0);
    }
  }
}

// Makes the next full page of the sequence known, or takes an equal one that is known already.
void PagedCache::index_page(CacheSequence& sequence, std::span<const int32_t> tokens) {
  const int64_t tile = sequence.indexed;
  PrefixNode* node =
      index_.insert(sequence.node, tokens.subspan(static_cast<size_t>(tile * kTile), kTile));
  for (size_t g = 0; g < groups_.size(); ++g) {
    int32_t& page = entry(sequence.tables[g], tile);
    PagePool& pool = groups_[g].pool;
    if (page < 0 || page == node->pages[g]) continue;
    if (node->pages[g] < 0) {
      index_.set_page(node, g, page);
      pool.keep(page);
    } else {
      pool.share(node->pages[g]);
      pool.release(page);
      page = node->pages[g];
    }
  }
  PrefixIndex::enter(node);
  index_.leave(sequence.node);
  sequence.node = node;
  ++sequence.indexed;
  ++changes_;
}

void PagedCache::commit(CacheSequence& sequence, std::span<const int32_t> tokens) {
  const auto length = static_cast<int64_t>(tokens.size());
  CADRE_CHECK(length >= sequence.length);
  const int64_t before = sequence.length;
  sequence.length = length;
  while (share_prefixes_ && (sequence.indexed + 1) * kTile <= length) index_page(sequence, tokens);
  release_behind(sequence, before);
}

// Gives back the pages that have fallen behind the windows since the sequence had `before` tokens.
void PagedCache::release_behind(CacheSequence& sequence, int64_t before) {
  const int64_t length = sequence.length;
  const auto first_kept = [&](const Group& group, int64_t at) {
    return first_needed(group, std::max<int64_t>(0, at - rewind_));
  };
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (int64_t tile = first_kept(groups_[g], before); tile < first_kept(groups_[g], length);
         ++tile) {
      if (is_needed(groups_[g], length, tile)) continue;  // a sink
      int32_t& page = entry(sequence.tables[g], tile);
      if (page < 0) continue;
      groups_[g].pool.release(page);
      page = -1;
      ++changes_;
    }
  }
}

int64_t PagedCache::truncate(CacheSequence& sequence, int64_t length) {
  CADRE_CHECK(!share_prefixes_ && length >= 0 && length <= sequence.length);
  if (length == sequence.length) return length;
  // The filters' rows are those of the last token of a page.
  if (has_filters_) length = length / kTile * kTile;
  if (length > 0 && has_all(sequence, length)) {
    sequence.length = length;
  } else {
    abandon(sequence);
  }
  return sequence.length;
}

// Whether the sequence has all pages that it would need at a length.
bool PagedCache::has_all(const CacheSequence& sequence, int64_t length) const {
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (int64_t tile = 0; tile < tiles_of(length); ++tile) {
      const int32_t page = sequence.tables[g][static_cast<size_t>(tile)];
      if (page < 0 && is_needed(groups_[g], length, tile)) return false;
    }
  }
  return true;
}

CacheSequence PagedCache::fork(const CacheSequence& sequence) {
  CacheSequence copy = sequence;
  PrefixIndex::enter(copy.node);
  for (size_t g = 0; g < groups_.size(); ++g) {
    copy.tables[g].reserve(sequence.tables[g].capacity());
    // Pages beyond the end are those of the first.
    copy.tables[g].resize(static_cast<size_t>(
        std::min<int64_t>(std::ssize(copy.tables[g]), tiles_of(sequence.length))));
    for (const int32_t page : copy.tables[g]) {
      if (page >= 0) groups_[g].pool.share(page);
    }
  }
  return copy;
}

void PagedCache::abandon(CacheSequence& sequence) {
  // The last first: it is of use to the fewest, and the first to be taken.
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (auto page = sequence.tables[g].rbegin(); page != sequence.tables[g].rend(); ++page) {
      if (*page >= 0) groups_[g].pool.release(*page);
    }
    sequence.tables[g].clear();
  }
  index_.leave(sequence.node);
  sequence.node = index_.root();
  PrefixIndex::enter(sequence.node);
  sequence.length = 0;
  sequence.indexed = 0;
  ++changes_;
}

void PagedCache::release(CacheSequence& sequence, std::span<const int32_t> tokens) {
  CADRE_CHECK(static_cast<int64_t>(tokens.size()) >= sequence.length);
  const int64_t begin = sequence.indexed * kTile;
  const int64_t rows = sequence.length - begin;
  const auto owned_alone = [&](size_t g) {
    const int32_t page = sequence.tables[g][static_cast<size_t>(sequence.indexed)];
    return page >= 0 && groups_[g].pool.owners(page) == 1 && !groups_[g].pool.keeps(page);
  };
  bool known = share_prefixes_ && rows > 0 && rows < kTile;
  for (size_t g = 0; known && g < groups_.size(); ++g) known = owned_alone(g);
  if (known) {
    PrefixNode* node = index_.insert(
        sequence.node, tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(rows)));
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (node->pages[g] >= 0) continue;
      const int32_t page = sequence.tables[g][static_cast<size_t>(sequence.indexed)];
      index_.set_page(node, g, page);
      groups_[g].pool.keep(page);
    }
  }
  abandon(sequence);
}

PagedCache::Usage PagedCache::usage() const {
  Usage usage;
  for (const Group& group : groups_) {
    if (group.pool.size() <= usage.pages) continue;
    usage = {group.pool.size(), group.pool.in_use(), group.pool.kept(), 0};
  }
  usage.copied = copied_;
  return usage;
}

int64_t PagedCache::owned_bytes() const {
  int64_t bytes = 0;
  for (int64_t l = 0; l < num_layers(); ++l) {
    bytes += layer(l).bytes_per_page() * groups_[group_of(l)].pool.in_use();
  }
  return bytes;
}

}  // namespace cadre::infer
