#include "infer/key_value_rows.h"

#include <algorithm>
#include <cstring>

namespace cadre::infer {
namespace {

constexpr int64_t kTile = ops::kAttentionTile;
constexpr int64_t kFirstCapacity = 2 * kTile;

int64_t whole_tiles(int64_t rows) { return (rows + kTile - 1) / kTile * kTile; }

// Copies rows of positions [begin, end) from `from`, where row i is position `origin` + i, or from
// a ring, into a ring.
void place(const Tensor& from, bool from_ring, int64_t begin, int64_t end, const Tensor& to) {
  const int64_t row_bytes = to.dim(1) * dtype_size(to.dtype());
  const int64_t to_rows = to.dim(0);
  for (int64_t position = begin; position < end;) {
    const int64_t source = from_ring ? position % from.dim(0) : position - begin;
    const int64_t target = position % to_rows;
    const int64_t run = std::min({end - position, from.dim(0) - source, to_rows - target});
    std::memcpy(static_cast<std::byte*>(to.raw()) + target * row_bytes,
                static_cast<const std::byte*>(from.raw()) + source * row_bytes,
                static_cast<size_t>(run * row_bytes));
    position += run;
  }
}

}  // namespace

KeyValueRows::KeyValueRows(int64_t width, int64_t window, DType dtype, int64_t max_length)
    : width_(width), window_(window), dtype_(dtype), max_length_(max_length) {}

// The first position in the tiles that the token at `length` sees.
int64_t KeyValueRows::first_needed(int64_t length) const {
  return window_ > 0 ? std::max<int64_t>(0, length + 1 - window_) / kTile * kTile : 0;
}

void KeyValueRows::reserve(Context& ctx, int64_t length, int64_t count) {
  const int64_t end = length + count;
  // From a window before the first of the new tokens, at most a tile less one row further back.
  int64_t limit = whole_tiles(max_length_);
  if (window_ > 0 && window_ < limit) {
    limit = std::min(limit, whole_tiles(window_ - 1 + kTile - 1 + count));
  }
  const int64_t old = capacity();
  const int64_t needed = std::min(limit, whole_tiles(end));
  if (needed <= old) return;
  const int64_t larger = std::min(limit, std::max({kFirstCapacity, needed, 2 * old}));
  const Tensor keys = ctx.empty({larger, width_}, dtype_);
  const Tensor values = ctx.empty({larger, width_}, dtype_);
  if (length > first_) {
    place(keys_, true, first_, length, keys);
    place(values_, true, first_, length, values);
  }
  keys_ = keys;
  values_ = values;
}

void KeyValueRows::append(Context& ctx, int64_t length, const Tensor& keys, const Tensor& values) {
  const int64_t count = keys.dim(0);
  expect_shape(keys, {count, width_}, "KV cache: keys");
  expect_shape(values, {count, width_}, "KV cache: values");
  expect_dtype(keys, dtype_, "KV cache: keys");
  expect_dtype(values, dtype_, "KV cache: values");
  CADRE_CHECK(length + count <= max_length_);
  if (count == 0) return;
  reserve(ctx, length, count);
  place(keys, false, length, length + count, keys_);
  place(values, false, length, length + count, values_);
  first_ = std::max(first_, length + count - capacity());
}

int64_t KeyValueRows::restorable(int64_t length) const {
  return first_needed(length) >= first_ ? length : 0;
}

void KeyValueRows::truncate(int64_t length) {
  if (restorable(length) == 0) first_ = 0;
}

}  // namespace cadre::infer
