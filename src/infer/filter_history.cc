#include "infer/filter_history.h"

#include <algorithm>
#include <cstring>

namespace cadre::infer {
namespace {

void copy_row(const Tensor& from, int64_t i, const Tensor& to, int64_t j) {
  const int64_t bytes = from.dim(1) * dtype_size(from.dtype());
  std::memcpy(static_cast<std::byte*>(to.raw()) + j * bytes,
              static_cast<const std::byte*>(from.raw()) + i * bytes, static_cast<size_t>(bytes));
}

void copy_rows(const ops::LocalFilterRows& from, int64_t i, const ops::LocalFilterRows& to,
               int64_t j) {
  copy_row(from.hidden, i, to.hidden, j);
  copy_row(from.inner, i, to.inner, j);
}

// The same rows with room for at least `rows`.
Tensor grown(Context& ctx, const Tensor& old, int64_t rows, int64_t width, DType dtype) {
  const int64_t capacity = old.defined() ? old.dim(0) : 0;
  if (rows <= capacity) return old;
  const Tensor larger = ctx.empty({std::max(rows, 2 * capacity), width}, dtype);
  if (capacity > 0) std::memcpy(larger.raw(), old.raw(), static_cast<size_t>(old.bytes()));
  return larger;
}

}  // namespace

FilterHistory::FilterHistory(int64_t hidden_size, int64_t inner_size, DType dtype)
    : hidden_size_(hidden_size), inner_size_(inner_size), dtype_(dtype) {}

ops::LocalFilterRows FilterHistory::last(Context& ctx) const {
  if (length_ > 0) return row(length_ - 1);
  return {ctx.zeros({1, hidden_size_}, dtype_), ctx.zeros({1, inner_size_}, dtype_)};
}

ops::LocalFilterRows FilterHistory::row(int64_t position) const {
  const bool recent = position >= first_recent_;
  CADRE_CHECK(recent || (position + 1) % kRecent == 0);
  const int64_t at = recent ? position % kRecent : position / kRecent;
  const ops::LocalFilterRows& rows = recent ? recent_ : milestones_;
  return {rows.hidden.slice(at, at + 1), rows.inner.slice(at, at + 1)};
}

void FilterHistory::append(Context& ctx, const ops::LocalFilterRows& rows) {
  const int64_t count = rows.hidden.dim(0);
  expect_shape(rows.hidden, {count, hidden_size_}, "rows of a local filter");
  expect_shape(rows.inner, {count, inner_size_}, "inner rows of a local filter");
  recent_.hidden = grown(ctx, recent_.hidden, kRecent, hidden_size_, dtype_);
  recent_.inner = grown(ctx, recent_.inner, kRecent, inner_size_, dtype_);
  const int64_t end = length_ + count;
  if (const int64_t milestones = end / kRecent; milestones > 0) {
    milestones_.hidden = grown(ctx, milestones_.hidden, milestones, hidden_size_, dtype_);
    milestones_.inner = grown(ctx, milestones_.inner, milestones, inner_size_, dtype_);
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t position = length_ + i;
    if (position >= end - kRecent) copy_rows(rows, i, recent_, position % kRecent);
    if ((position + 1) % kRecent == 0) copy_rows(rows, i, milestones_, position / kRecent);
  }
  length_ = end;
  first_recent_ = std::max(first_recent_, end - kRecent);
}

int64_t FilterHistory::restorable(int64_t length) const {
  CADRE_CHECK(length >= 0 && length <= length_);
  return length == 0 || length > first_recent_ ? length : length / kRecent * kRecent;
}

void FilterHistory::truncate(int64_t length) {
  length_ = restorable(length);
  first_recent_ = std::min(first_recent_, length_);
}

}  // namespace cadre::infer
