// The KV cache of many sequences in pages that they share.
//
// A page holds kAttentionTile tokens of all layers of a group; layers with the same window make a
// group, since the same pages fall behind it. Sequences own pages together as long as these hold
// the same: the beginning that two prompts have in common, the prompt of several answers. A page
// that is only partly filled is copied by whoever writes on (copy on write). Pages behind the
// window of their group go back at once. A page whose last owner has gone keeps its content, found
// by the tokens in it, until its memory is needed.
// Kwon et al., arXiv:2309.06180; Zheng et al., "SGLang", arXiv:2312.07104.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ops/context.h"
#include "infer/layer_pages.h"
#include "infer/page_pool.h"
#include "infer/prefix_index.h"
#include "model/spec.h"

namespace cadre::infer {

struct CacheOptions {
  int64_t num_tokens = 0;     // that fit, all sequences together; rounded up to pages
  int64_t max_sequences = 1;  // at a time, and tokens of one step: what layers with a window need
  int64_t step_tokens = 512;
  CacheType type = CacheType::compute;
  // Queries see no more than the last `window` keys, besides the first `sinks` (ops::
  // AttentionOptions), and texts may be of any length; 0 leaves layers as the model has them.
  int64_t window = 0;
  int64_t sinks = 0;            // only with a window
  bool beyond_context = false;  // let texts be longer than the model's context; true with sinks
  bool share_prefixes = true;   // find earlier beginnings by content
  int64_t rewind = 0;           // tokens that truncate() may have to take back
};

// What one sequence has in the cache. Made by a PagedCache and given back with release().
struct CacheSequence {
  int64_t length = 0;                        // tokens in the cache
  std::vector<std::vector<int32_t>> tables;  // for each group the page of each tile, -1 if gone
  PrefixNode* node = nullptr;                // of the last full page
  int64_t indexed = 0;                       // full pages up to there
};

// Belongs to one thread. Memory is reserved at once and taken from the system as it is written.
class PagedCache {
 public:
  // Throws Error(unsupported) for a model that cannot decode (model/spec.h) or a type that its
  // heads cannot have.
  PagedCache(const model::ModelSpec& spec, DType compute, const CacheOptions& options);
  PagedCache(const PagedCache&) = delete;
  PagedCache& operator=(const PagedCache&) = delete;

  // With room in its tables for `length` tokens, so that they do not grow while it is written.
  CacheSequence make_sequence(int64_t length = 0);
  // The longest sequence that fits if it is alone.
  int64_t capacity() const { return capacity_; }

  // How many of the tokens attach() would find.
  int64_t reusable(std::span<const int32_t> tokens);
  // Gives a sequence, empty or at the border of a page, what the cache holds of the `tokens` behind
  // its own, at least the last one excepted, and returns how many: all full pages in common, and of
  // one more a copy of what is in common. With local filters that one only if it is in common as a
  // whole. 0 within a page. The sequence's own tokens are the first of `tokens`.
  int64_t attach(Context& ctx, CacheSequence& sequence, std::span<const int32_t> tokens);
  // Whether a step in which `reader` goes on brings `other` nearer to a page that attach() would
  // find: `reader` is reading, of its own tokens, the very page that `other` would read next.
  bool reads_page_of(const CacheSequence& reader, std::span<const int32_t> reader_tokens,
                     const CacheSequence& other, std::span<const int32_t> other_tokens) const;

  // The largest number of tokens up to `count` for which reserve() would find pages.
  int64_t extendable(const CacheSequence& sequence, int64_t count) const;
  // Adds to `pages`, for each group, those that the sequence lacks to grow to `length`.
  void add_missing(const CacheSequence& sequence, int64_t length,
                   std::vector<int64_t>& pages) const;
  // True if a new sequence that begins with `tokens` and grows to `length` would fit beside what is
  // owned and what is promised to others, what it shares taken into account.
  bool fits(std::span<const int32_t> tokens, int64_t length, std::span<const int64_t> promised);
  // Counts what may let a sequence fit that did not: a refusal stands until the number changes.
  int64_t changes() const { return changes_; }
  // Makes room behind the sequence for `count` tokens; count <= extendable().
  void reserve(Context& ctx, CacheSequence& sequence, int64_t count);
  // The sequence now has `tokens`, whose keys have been written: full pages become known by their
  // content, and those behind the windows go back.
  void commit(CacheSequence& sequence, std::span<const int32_t> tokens);
  // Takes tokens back, and returns how many are left: `length`, or fewer, which have to be read
  // again: with local filters up to a page, all where pages behind a window have gone (see
  // CacheOptions::rewind). Only for caches that share no prefixes, and of sequences without forks.
  int64_t truncate(CacheSequence& sequence, int64_t length);
  // Another sequence with the same pages.
  CacheSequence fork(const CacheSequence& sequence);
  // Gives all pages back; what they hold of `tokens`, those of the sequence, stays known.
  void release(CacheSequence& sequence, std::span<const int32_t> tokens);
  // The same, and nothing of what was not committed before becomes known: for a step that failed.
  void abandon(CacheSequence& sequence);

  // How far a layer's queries see.
  int64_t window_of(int64_t layer) const { return groups_[group_of(layer)].window; }
  int64_t sinks() const { return sinks_; }
  bool beyond_context() const { return beyond_context_; }

  // --- for CacheStep
  size_t num_groups() const { return groups_.size(); }
  size_t group_of(int64_t layer) const { return group_of_layer_[static_cast<size_t>(layer)]; }
  const LayerPages& layer(int64_t layer) const { return layers_[static_cast<size_t>(layer)]; }
  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  bool has_filters() const { return has_filters_; }

  // --- for reports; pages of the group that has most
  struct Usage {
    int64_t pages = 0;
    int64_t in_use = 0;
    int64_t kept = 0;
    int64_t copied = 0;  // pages copied on write or for a common part, so far, all groups
  };
  Usage usage() const;
  // Of all groups in pages that sequences own now.
  int64_t owned_bytes() const;

 private:
  struct Group {
    int64_t window;
    std::vector<int64_t> layers;
    PagePool pool;
  };
  // What of a text is there.
  struct Match {
    PrefixNode* node;            // of the last full page
    int64_t pages;               // full ones
    PrefixNode* next = nullptr;  // a page that begins alike; null if none does
    int64_t rows = 0;            // of it in common
  };

  int64_t first_needed(const Group& group, int64_t length) const;
  bool is_needed(const Group& group, int64_t length, int64_t tile) const;
  int64_t pages_of(const Group& group, int64_t length) const;
  bool has_all(const CacheSequence& sequence, int64_t length) const;
  Match match(PrefixNode* start, int64_t first, std::span<const int32_t> tokens) const;
  void extend_match(std::span<const int32_t> rest, Match& match) const;
  void share_pages(CacheSequence& sequence, const Match& match);
  bool next_is_finite(const Match& match) const;
  bool copy_next(Context& ctx, CacheSequence& sequence, const Match& match);
  void release_behind(CacheSequence& sequence, int64_t before);
  int32_t acquire(size_t group);
  void copy_page(Context& ctx, size_t group, int32_t from, int32_t to, int64_t rows);
  void index_page(CacheSequence& sequence, std::span<const int32_t> tokens);

  bool share_prefixes_;
  int64_t rewind_;
  int64_t sinks_;
  bool beyond_context_;
  bool has_filters_ = false;
  int64_t capacity_;
  int64_t copied_ = 0;
  int64_t changes_ = 0;
  std::vector<LayerPages> layers_;
  std::vector<size_t> group_of_layer_;
  std::vector<Group> groups_;
  PrefixIndex index_;
};

}  // namespace cadre::infer
