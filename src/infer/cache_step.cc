#include "infer/cache_step.h"

#include <algorithm>
#include <cstring>

#include "core/base/error.h"

namespace cadre::infer {
namespace {

constexpr int64_t kTile = ops::kAttentionTile;

void zero_row(const Tensor& x, int64_t i) {
  const int64_t bytes = x.dim(1) * dtype_size(x.dtype());
  std::memset(static_cast<std::byte*>(x.raw()) + i * bytes, 0, static_cast<size_t>(bytes));
}

}  // namespace

CacheStep::CacheStep(PagedCache& cache) : cache_(cache) {
  for (size_t g = 0; g < cache.num_groups(); ++g) {
    storage_.push_back(std::make_shared<std::vector<ops::AttentionSegment>>());
    segments_.push_back(storage_.back());
  }
  rows_.resize(static_cast<size_t>(cache.num_layers()));
}

void CacheStep::clear() {
  entries_.clear();
  num_rows_ = 0;
  may_shorten_ = false;
  segments_made_ = false;
  for (ops::LocalFilterRows& rows : rows_) rows = {};
}

void CacheStep::add(CacheSequence& sequence, int64_t count, bool may_shorten) {
  CADRE_CHECK(count >= 1);
  entries_.push_back({&sequence, num_rows_, count, sequence.length});
  num_rows_ += count;
  may_shorten_ = may_shorten_ || may_shorten;
  segments_made_ = false;
}

const ops::AttentionSegments& CacheStep::segments(int64_t layer) {
  if (!segments_made_) {
    for (size_t g = 0; g < storage_.size(); ++g) {
      storage_[g]->clear();
      for (const Entry& entry : entries_) {
        storage_[g]->push_back({.query_begin = entry.begin,
                                .num_queries = entry.count,
                                .key_begin = 0,
                                .num_keys = entry.length + entry.count,
                                .pages = entry.sequence->tables[g]});
      }
    }
    segments_made_ = true;
  }
  return segments_[cache_.group_of(layer)];
}

ops::KeyValuePages CacheStep::extend(Context& ctx, int64_t layer, const Tensor& keys,
                                     const Tensor& values) {
  CADRE_CHECK(keys.dim(0) == num_rows_);
  const ops::KeyValuePages& pages = cache_.layer(layer).pages();
  ops::write_key_values(ctx, keys, values, segments(layer), pages);
  return pages;
}

int32_t CacheStep::page_of(const Entry& entry, int64_t layer, int64_t position) const {
  return entry.sequence->tables[cache_.group_of(layer)][static_cast<size_t>(position / kTile)];
}

ops::LocalFilterRows CacheStep::filter_rows_before(Context& ctx, int64_t layer) {
  const ops::LocalFilterRows& kept = cache_.layer(layer).filter();
  CADRE_CHECK(cache_.layer(layer).has_filter());
  const auto count = static_cast<int64_t>(entries_.size());
  const DType type = kept.hidden.dtype();
  const ops::LocalFilterRows before = {ctx.empty({count, kept.hidden.dim(1)}, type),
                                       ctx.empty({count, kept.inner.dim(1)}, type)};
  for (int64_t i = 0; i < count; ++i) {
    const Entry& entry = entries_[static_cast<size_t>(i)];
    if (entry.length == 0) {
      zero_row(before.hidden, i);
      zero_row(before.inner, i);
      continue;
    }
    const int32_t page = page_of(entry, layer, entry.length - 1);
    copy_row(kept.hidden, page, before.hidden, i);
    copy_row(kept.inner, page, before.inner, i);
  }
  return before;
}

// The last row in each page is the page's.
void CacheStep::keep_filter_rows(Context&, int64_t layer, const ops::LocalFilterRows& rows) {
  CADRE_CHECK(rows.hidden.dim(0) == num_rows_);
  for (const Entry& entry : entries_) {
    const int64_t end = entry.length + entry.count;
    for (int64_t begin = entry.length; begin < end;) {
      const int64_t next = std::min(end, (begin / kTile + 1) * kTile);
      cache_.layer(layer).set_filter_row(page_of(entry, layer, next - 1), rows,
                                         entry.begin + next - 1 - entry.length);
      begin = next;
    }
  }
  if (may_shorten_) rows_[static_cast<size_t>(layer)] = rows;
}

void CacheStep::shorten(size_t index, int64_t count) {
  const Entry& entry = entries_.at(index);
  CADRE_CHECK(count >= 1 && count <= entry.count);
  if (count == entry.count || !cache_.has_filters()) return;
  CADRE_CHECK(may_shorten_);
  for (int64_t layer = 0; layer < cache_.num_layers(); ++layer) {
    if (!cache_.layer(layer).has_filter()) continue;
    cache_.layer(layer).set_filter_row(page_of(entry, layer, entry.length + count - 1),
                                       rows_[static_cast<size_t>(layer)], entry.begin + count - 1);
  }
}

}  // namespace cadre::infer
