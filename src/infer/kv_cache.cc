#include "infer/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace cadre::infer {
namespace {

constexpr int64_t kFirstCapacity = 256;

// A copy of the first `used` rows with room for `capacity`.
Tensor grow(Context& ctx, const Tensor& old, int64_t used, int64_t capacity, int64_t width,
            DType dtype) {
  Tensor larger = ctx.empty({capacity, width}, dtype);
  if (used > 0) {
    std::memcpy(larger.raw(), old.raw(), static_cast<size_t>(used * width * dtype_size(dtype)));
  }
  return larger;
}

void append(const Tensor& target, int64_t row, const Tensor& rows) {
  const int64_t row_bytes = rows.dim(1) * dtype_size(rows.dtype());
  std::memcpy(static_cast<std::byte*>(target.raw()) + row * row_bytes, rows.raw(),
              static_cast<size_t>(rows.bytes()));
}

}  // namespace

KvCache::KvCache(const model::ModelSpec& spec, DType dtype, int64_t max_length)
    : dtype_(dtype), max_length_(max_length) {
  for (const model::BlockSpec& block : spec.blocks) {
    layers_.push_back({block.attention.num_kv_heads * block.attention.head_dim, {}, {}, {}});
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
  CADRE_CHECK(length >= 0 && length <= length_ && step_ == 0);
  for (const Layer& layer : layers_) {
    if (layer.filter) length = std::min(length, layer.filter->restorable(length));
  }
  for (Layer& layer : layers_) {
    if (layer.filter) layer.filter->truncate(length);
  }
  length_ = length;
  return length;
}

nn::KeyValueStore::View KvCache::extend(Context& ctx, int64_t layer, const Tensor& keys,
                                        const Tensor& values) {
  Layer& slot = layers_[static_cast<size_t>(layer)];
  expect_shape(keys, {step_, slot.width}, "KV cache: keys");
  expect_shape(values, {step_, slot.width}, "KV cache: values");
  expect_dtype(keys, dtype_, "KV cache: keys");
  const int64_t needed = length_ + step_;
  const int64_t capacity = slot.keys.defined() ? slot.keys.dim(0) : 0;
  if (needed > capacity) {
    const int64_t larger = std::min(max_length_, std::max({kFirstCapacity, needed, 2 * capacity}));
    slot.keys = grow(ctx, slot.keys, length_, larger, slot.width, dtype_);
    slot.values = grow(ctx, slot.values, length_, larger, slot.width, dtype_);
  }
  append(slot.keys, length_, keys);
  append(slot.values, length_, values);
  return {slot.keys.slice(0, needed), slot.values.slice(0, needed)};
}

ops::AttentionSegments KvCache::segments(int64_t) const {
  return std::make_shared<const std::vector<ops::AttentionSegment>>(
      1, ops::AttentionSegment{0, step_, 0, length_ + step_});
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
