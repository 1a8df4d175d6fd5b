// The memory of one layer's pages.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/ops/local_filter.h"
#include "core/ops/paged_attention.h"
#include "model/spec.h"

namespace cadre::infer {

// How keys and values are kept: in the compute type, or rounded to 8 bits.
enum class CacheType { compute, int8 };
// "auto" is the compute type; throws Error(invalid_input) for other names than auto and int8.
CacheType cache_type_from_name(std::string_view name);

// Keys and values of P pages (core/ops/paged_attention.h), and for a local filter the rows of the
// last token of each page, which is all that a sequence that ends there needs of its past.
class LayerPages {
 public:
  // Throws Error(unsupported) for 8 bits where a head is no multiple of 32 wide.
  LayerPages(const model::ModelSpec& spec, int64_t layer, int64_t num_pages, DType compute,
             CacheType type);

  const ops::KeyValuePages& pages() const { return pages_; }
  bool has_filter() const { return filter_.hidden.defined(); }
  const ops::LocalFilterRows& filter() const { return filter_; }  // [P, D] and [P, C]
  // Row i of the given rows becomes that of the page.
  void set_filter_row(int32_t page, const ops::LocalFilterRows& rows, int64_t i) const;

  // The first `rows` positions of a page, and its filter's row, into another.
  void copy(int32_t from, int32_t to, int64_t rows) const;
  // Whether these positions hold no infinity and no NaN.
  bool is_finite(int32_t page, int64_t rows) const;
  int64_t bytes_per_page() const;

 private:
  ops::KeyValuePages pages_;
  ops::LocalFilterRows filter_;
};

// Row i of x becomes row j of y, both of rank 2 and equally wide.
void copy_row(const Tensor& x, int64_t i, const Tensor& y, int64_t j);

}  // namespace cadre::infer
