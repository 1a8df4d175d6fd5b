// One forward pass over tokens of several sequences of a paged cache.
#pragma once

#include <cstdint>
#include <vector>

#include "infer/paged_cache.h"
#include "model/nn/forward.h"

namespace cadre::infer {

// The rows of the pass are those of the sequences, one after the other. Used again and again, it
// allocates nothing itself once it has seen its largest step. Belongs to one thread.
class CacheStep : public nn::KeyValueStore {
 public:
  explicit CacheStep(PagedCache& cache);

  void clear();
  // The next `count` rows are tokens of the sequence, behind what it has; reserve() has made room
  // for them. The sequence must stay in place until the pass has ended. With `may_shorten` some of
  // the tokens may be taken back.
  void add(CacheSequence& sequence, int64_t count, bool may_shorten = false);
  int64_t num_rows() const { return num_rows_; }

  // After the pass: of the tokens of sequence `index` only the first `count` >= 1 stand. Call it
  // before the cache's commit().
  void shorten(size_t index, int64_t count);

  ops::KeyValuePages extend(Context& ctx, int64_t layer, const Tensor& keys,
                            const Tensor& values) override;
  const ops::AttentionSegments& segments(int64_t layer) override;
  Reach reach(int64_t layer, int64_t) const override {
    return {cache_.window_of(layer), cache_.sinks(), cache_.beyond_context()};
  }
  ops::LocalFilterRows filter_rows_before(Context& ctx, int64_t layer) override;
  void keep_filter_rows(Context& ctx, int64_t layer, const ops::LocalFilterRows& rows) override;

 private:
  struct Entry {
    CacheSequence* sequence;
    int64_t begin;  // of its rows
    int64_t count;
    int64_t length;  // of the sequence before the step
  };
  int32_t page_of(const Entry& entry, int64_t layer, int64_t position) const;

  PagedCache& cache_;
  std::vector<Entry> entries_;
  int64_t num_rows_ = 0;
  bool may_shorten_ = false;
  // For each group; made at the first call of segments() after an add().
  std::vector<std::shared_ptr<std::vector<ops::AttentionSegment>>> storage_;
  std::vector<ops::AttentionSegments> segments_;
  bool segments_made_ = false;
  std::vector<ops::LocalFilterRows> rows_;  // of each layer, if they may be shortened
};

}  // namespace cadre::infer
