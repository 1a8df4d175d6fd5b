// Keys in pages give the bits of keys end to end; keys in 8 bits those of the rounded keys.
#include "core/ops/paged_attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/tensor/packed_rows.h"
#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

constexpr int64_t kHeads = 4;
constexpr int64_t kKvHeads = 2;
constexpr int64_t kHeadDim = 32;
constexpr int64_t kNumPages = 24;

AttentionOptions options_of(int64_t window) {
  return {.num_heads = kHeads, .num_kv_heads = kKvHeads, .scale = 0.17f, .window = window};
}

// Pages full of NaN: whatever is read without having been written shows.
KeyValuePages make_pages(DType type) {
  const auto filled = [](Shape shape, DType dtype) {
    const Tensor x = Tensor::empty(shape, dtype);
    if (dtype == DType::i8) {
      std::memset(x.raw(), 0x7f, static_cast<size_t>(x.bytes()));
    } else {
      std::memset(x.raw(), 0xff, static_cast<size_t>(x.bytes()));
    }
    return x;
  };
  const Shape shape = {kNumPages, kKvHeads, kAttentionTile, kHeadDim};
  KeyValuePages pages = {filled(shape, type), filled(shape, type), {}, {}};
  if (type == DType::i8) {
    const Shape scales = {kNumPages, kKvHeads, kAttentionTile, kHeadDim / kPackedGroup};
    pages.key_scales = filled(scales, DType::f32);
    pages.value_scales = filled(scales, DType::f32);
  }
  return pages;
}

AttentionSegments shared(std::vector<AttentionSegment> segments) {
  return std::make_shared<const std::vector<AttentionSegment>>(std::move(segments));
}

// Two sequences and where their keys lie: in rows one after the other, and in pages that stand in
// no order.
struct Sequences {
  int64_t lengths[2];
  std::vector<int32_t> tables[2];

  Sequences(int64_t first, int64_t second) : lengths{first, second} {
    int32_t page = 5;
    for (int s = 0; s < 2; ++s) {
      for (int64_t begin = 0; begin < lengths[s]; begin += kAttentionTile) {
        tables[s].push_back(page);
        page = (page + 7) % kNumPages;  // comes to each page once
      }
    }
  }
  // The last `queries` of each, as rows and as pages.
  AttentionSegments rows(int64_t queries) const {
    return shared({{0, queries, 0, lengths[0]}, {queries, queries, lengths[0], lengths[1]}});
  }
  AttentionSegments pages(int64_t queries) const {
    return shared({{.query_begin = 0,
                    .num_queries = queries,
                    .key_begin = 0,
                    .num_keys = lengths[0],
                    .pages = tables[0]},
                   {.query_begin = queries,
                    .num_queries = queries,
                    .key_begin = 0,
                    .num_keys = lengths[1],
                    .pages = tables[1]}});
  }
  // Writes all keys, `step` positions of each sequence at a time.
  void fill(Context& ctx, const Tensor& k, const Tensor& v, int64_t step,
            const KeyValuePages& to) const {
    for (int s = 0; s < 2; ++s) {
      const int64_t origin = s == 0 ? 0 : lengths[0];
      for (int64_t begin = 0; begin < lengths[s]; begin += step) {
        const int64_t end = std::min(lengths[s], begin + step);
        const AttentionSegment segment = {.query_begin = 0,
                                          .num_queries = end - begin,
                                          .key_begin = 0,
                                          .num_keys = end,
                                          .pages = tables[s]};
        write_key_values(ctx, k.slice(origin + begin, origin + end),
                         v.slice(origin + begin, origin + end), shared({segment}), to);
      }
    }
  }
};

// What 8 bits keep of the rows of x, in its type.
Tensor rounded(const Tensor& x) {
  const int64_t rows = x.dim(0);
  const int64_t k = x.dim(1);
  const Tensor quants = Tensor::empty({rows, k}, DType::i8);
  const Tensor scales = Tensor::empty({rows, k / kPackedGroup}, DType::f32);
  const Tensor sums = Tensor::empty({rows, k / 16}, DType::i32);
  const Tensor minimums = Tensor::empty(scales.shape(), DType::f32);
  kernels::scalar_table().quantise_rows(
      {x.raw(), x.dtype(), k, static_cast<int8_t*>(quants.raw()), scales.data<float>(),
       sums.data<int32_t>(), minimums.data<float>()},
      {0, rows});
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  kernels::scalar_table().dequantise_rows(
      {static_cast<const int8_t*>(quants.raw()), scales.data<float>(), k, y.raw(), y.dtype()},
      {0, rows});
  return y;
}

}  // namespace

TEST_CASE("paged attention: pages in any order give the bits of rows, however they were filled") {
  for (const kernels::KernelTable* table : supported_tables()) {
    CAPTURE(std::string(table->name));
    Machine machine(*table, 3);
    for (const DType type : {DType::f32, DType::bf16}) {
      for (const bool quantised : {false, true}) {
        for (const int64_t window : {0, 1, 90, 128, 200}) {
          CAPTURE(quantised);
          CAPTURE(window);
          const Sequences sequences(517, 129);
          const int64_t queries = 20;
          const Tensor q = random_tensor({2 * queries, kHeads * kHeadDim}, type, 1, 2.0);
          const Tensor k = random_tensor({517 + 129, kKvHeads * kHeadDim}, type, 2);
          const Tensor v = random_tensor({517 + 129, kKvHeads * kHeadDim}, type, 3);
          const Tensor expected =
              attention(machine.ctx, q, quantised ? rounded(k) : k, quantised ? rounded(v) : v,
                        sequences.rows(queries), options_of(window));
          for (const int64_t step : {1000, 128, 77, 1}) {
            const KeyValuePages pages = make_pages(quantised ? DType::i8 : type);
            sequences.fill(machine.ctx, k, v, step, pages);
            const Tensor found = paged_attention(machine.ctx, q, pages, sequences.pages(queries),
                                                 options_of(window));
            CHECK(same_bits(found, expected));
          }
        }
      }
    }
  }
}

TEST_CASE("paged attention: 8 bits stay near the exact result") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"));
  const Sequences sequences(300, 40);
  const Tensor q = random_tensor({2, kHeads * kHeadDim}, DType::f32, 1);
  const Tensor k = random_tensor({340, kKvHeads * kHeadDim}, DType::f32, 2);
  const Tensor v = random_tensor({340, kKvHeads * kHeadDim}, DType::f32, 3);
  const KeyValuePages pages = make_pages(DType::i8);
  sequences.fill(machine.ctx, k, v, 100, pages);
  const double error =
      distance(paged_attention(machine.ctx, q, pages, sequences.pages(1), options_of(0)),
               attention(machine.ctx, q, k, v, sequences.rows(1), options_of(0)));
  // Elements are off by at most 1 / 254 of the largest of 32, of which few are.
  CHECK(error < 0.01);
  CHECK(error > 0.0);
}

TEST_CASE("paged attention: pages behind the window need not be there") {
  Machine machine;
  Sequences sequences(517, 400);
  const Tensor q = random_tensor({4, kHeads * kHeadDim}, DType::f32, 1);
  const Tensor k = random_tensor({917, kKvHeads * kHeadDim}, DType::f32, 2);
  const KeyValuePages pages = make_pages(DType::f32);
  sequences.fill(machine.ctx, k, k, 50, pages);
  const Tensor expected =
      paged_attention(machine.ctx, q, pages, sequences.pages(2), options_of(132));
  // The first query of the first sequence is at 515, whose window of 132 begins with tile 3.
  for (int tile = 0; tile < 3; ++tile) sequences.tables[0][static_cast<size_t>(tile)] = -1;
  CHECK(same_bits(paged_attention(machine.ctx, q, pages, sequences.pages(2), options_of(132)),
                  expected));
  CHECK_THROWS_AS(paged_attention(machine.ctx, q, pages, sequences.pages(2), options_of(133)),
                  Error);
  CHECK_THROWS_AS(paged_attention(machine.ctx, q, pages, sequences.pages(2), options_of(0)), Error);
}

TEST_CASE("paged attention: refuses tables and pages that do not fit") {
  Machine machine;
  Sequences sequences(200, 10);
  const Tensor q = random_tensor({2, kHeads * kHeadDim}, DType::f32, 1);
  const KeyValuePages pages = make_pages(DType::f32);
  const auto run = [&](const KeyValuePages& with) {
    paged_attention(machine.ctx, q, with, sequences.pages(1), options_of(1));
  };
  CHECK_NOTHROW(run(pages));
  KeyValuePages wrong = pages;
  wrong.values = Tensor::empty({kNumPages, kKvHeads, 64, kHeadDim}, DType::f32);
  CHECK_THROWS_AS(run(wrong), Error);
  wrong = make_pages(DType::bf16);
  CHECK_THROWS_AS(run(wrong), Error);
  wrong = make_pages(DType::i8);
  wrong.key_scales = {};
  CHECK_THROWS_AS(run(wrong), Error);
  sequences.tables[1][0] = kNumPages;
  CHECK_THROWS_AS(run(pages), Error);
  sequences.tables[1][0] = 0;
  CHECK_NOTHROW(run(pages));
  sequences.tables[0].pop_back();
  CHECK_THROWS_AS(run(pages), Error);
}

}  // namespace cadre::ops
