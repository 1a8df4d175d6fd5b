#include "infer/layer_pages.h"

#include <cstring>

#include "core/base/error.h"
#include "core/tensor/packed_rows.h"
#include "infer/reserved_memory.h"

namespace cadre::infer {
namespace {

constexpr int64_t kRows = ops::kAttentionTile;

// The first `rows` rows of each head of a page, [P, Hkv, kRows, width].
void copy_heads(const Tensor& x, int32_t from, int32_t to, int64_t rows) {
  if (!x.defined()) return;
  const int64_t row_bytes = x.dim(3) * dtype_size(x.dtype());
  const int64_t head_bytes = kRows * row_bytes;
  auto* data = static_cast<std::byte*>(x.raw());
  for (int64_t h = 0; h < x.dim(1); ++h) {
    std::memcpy(data + (to * x.dim(1) + h) * head_bytes, data + (from * x.dim(1) + h) * head_bytes,
                static_cast<size_t>(rows * row_bytes));
  }
}

template <typename Bits>
bool all_finite(const std::byte* bytes, int64_t count, Bits exponent) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, bytes + i * static_cast<int64_t>(sizeof(Bits)), sizeof(Bits));
    found += static_cast<Bits>(bits & exponent) == exponent ? 1 : 0;
  }
  return found == 0;
}

// The first `rows` rows of each head of a page.
bool heads_are_finite(const Tensor& x, int32_t page, int64_t rows) {
  if (!x.defined() || x.dtype() == DType::i8) return true;
  const auto* data = static_cast<const std::byte*>(x.raw());
  for (int64_t h = 0; h < x.dim(1); ++h) {
    const auto* head = data + (page * x.dim(1) + h) * kRows * x.dim(3) * dtype_size(x.dtype());
    const bool finite = x.dtype() == DType::f32
                            ? all_finite<uint32_t>(head, rows * x.dim(3), 0x7f800000u)
                            : all_finite<uint16_t>(head, rows * x.dim(3), 0x7f80u);
    if (!finite) return false;
  }
  return true;
}

}  // namespace

CacheType cache_type_from_name(std::string_view name) {
  if (name == "auto") return CacheType::compute;
  if (name == "int8") return CacheType::int8;
  fail(ErrorKind::invalid_input, "type of a KV cache: \"{}\", expected auto or int8", name);
}

void copy_row(const Tensor& x, int64_t i, const Tensor& y, int64_t j) {
  const int64_t bytes = x.dim(1) * dtype_size(x.dtype());
  std::memcpy(static_cast<std::byte*>(y.raw()) + j * bytes,
              static_cast<const std::byte*>(x.raw()) + i * bytes, static_cast<size_t>(bytes));
}

LayerPages::LayerPages(const model::ModelSpec& spec, int64_t layer, int64_t num_pages,
                       DType compute, CacheType type) {
  const model::AttentionSpec& attention = spec.blocks[static_cast<size_t>(layer)].attention;
  const Shape shape = {num_pages, attention.num_kv_heads, kRows, attention.head_dim};
  if (type == CacheType::int8) {
    if (attention.head_dim % kPackedGroup != 0) {
      fail(ErrorKind::unsupported,
           "a KV cache in 8 bits: heads of layer {} are {} wide, expected a multiple of {}", layer,
           attention.head_dim, kPackedGroup);
    }
    const Shape scales = {num_pages, attention.num_kv_heads, kRows,
                          attention.head_dim / kPackedGroup};
    pages_ = {reserve_memory(shape, DType::i8), reserve_memory(shape, DType::i8),
              reserve_memory(scales, DType::f32), reserve_memory(scales, DType::f32)};
  } else {
    pages_ = {reserve_memory(shape, compute), reserve_memory(shape, compute), {}, {}};
  }
  if (const auto& filter = attention.filter) {
    filter_ = {reserve_memory({num_pages, spec.hidden_size}, compute),
               reserve_memory({num_pages, filter->inner_size}, compute)};
  }
}

void LayerPages::set_filter_row(int32_t page, const ops::LocalFilterRows& rows, int64_t i) const {
  copy_row(rows.hidden, i, filter_.hidden, page);
  copy_row(rows.inner, i, filter_.inner, page);
}

void LayerPages::copy(int32_t from, int32_t to, int64_t rows) const {
  copy_heads(pages_.keys, from, to, rows);
  copy_heads(pages_.values, from, to, rows);
  copy_heads(pages_.key_scales, from, to, rows);
  copy_heads(pages_.value_scales, from, to, rows);
  if (has_filter()) set_filter_row(to, filter_, from);
}

bool LayerPages::is_finite(int32_t page, int64_t rows) const {
  return heads_are_finite(pages_.keys, page, rows) && heads_are_finite(pages_.values, page, rows) &&
         heads_are_finite(pages_.key_scales, page, rows) &&
         heads_are_finite(pages_.value_scales, page, rows);
}

int64_t LayerPages::bytes_per_page() const {
  int64_t bytes = 0;
  for (const Tensor* x : {&pages_.keys, &pages_.values, &pages_.key_scales, &pages_.value_scales,
                          &filter_.hidden, &filter_.inner}) {
    if (x->defined()) bytes += x->bytes() / x->dim(0);
  }
  return bytes;
}

}  // namespace cadre::infer
