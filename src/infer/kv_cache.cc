#include "infer/kv_cache.h"

namespace cadre::infer {

KvCache::KvCache(const model::ModelSpec& spec, DType dtype, int64_t max_length)
    : dtype_(dtype), max_length_(max_length) {
  model::expect_can_decode(spec);
  for (const model::BlockSpec& block : spec.blocks) {
    const model::AttentionSpec& attention = block.attention;
    layers_.push_back({KeyValueRows(attention.num_kv_heads * attention.head_dim, attention.window,
                                    dtype, max_length),
                       {}});
    if (const auto& filter = block.attention.filter) {
      layers_.back().filter.emplace(spec.hidden_size, filter->inner_size, dtype);
    }
  }
}

void KvCache::begin_step(int64_t num_tokens) {
  if (num_tokens > max_length_ - length_) {
    fail(ErrorKind::exhausted, "the sequence would have {} tokens, the context holds {}",
         length_ + num_tokens, max_length_);
  }
  step_ = num_tokens;
}

void KvCache::end_step() {
  length_ += step_;
  step_ = 0;
}

int64_t KvCache::truncate(int64_t length) {
  CADRE_CHECK(length >= 0 && length <= length_);
  step_ = 0;
  // What one layer cannot go back to, the others need not.
  for (int64_t before = -1; before != length;) {
    before = length;
    for (const Layer& layer : layers_) {
      length = layer.rows.restorable(length);
      if (layer.filter) length = layer.filter->restorable(length);
    }
  }
  for (Layer& layer : layers_) {
    layer.rows.truncate(length);
    if (layer.filter) layer.filter->truncate(length);
  }
  length_ = length;
  return length;
}

nn::KeyValueStore::View KvCache::extend(Context& ctx, int64_t layer, const Tensor& keys,
                                        const Tensor& values) {
  KeyValueRows& rows = layers_[static_cast<size_t>(layer)].rows;
  CADRE_CHECK(keys.dim(0) == step_);
  rows.append(ctx, length_, keys, values);
  return {rows.keys(), rows.values()};
}

ops::AttentionSegments KvCache::segments(int64_t layer) const {
  return std::make_shared<const std::vector<ops::AttentionSegment>>(
      1, ops::AttentionSegment{0, step_, 0, length_ + step_,
                               layers_[static_cast<size_t>(layer)].rows.ring()});
}

ops::LocalFilterRows KvCache::filter_rows_before(Context& ctx, int64_t layer) {
  const std::optional<FilterHistory>& filter = layers_[static_cast<size_t>(layer)].filter;
  CADRE_CHECK(filter.has_value() && filter->length() == length_);
  return filter->last(ctx);
}

void KvCache::keep_filter_rows(Context& ctx, int64_t layer, const ops::LocalFilterRows& rows) {
  CADRE_CHECK(rows.hidden.dim(0) == step_);
  layers_[static_cast<size_t>(layer)].filter.value().append(ctx, rows);
}

}  // namespace cadre::infer
