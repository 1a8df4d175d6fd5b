// Keys in pages give the bits of keys end to end; keys in 8 bits those of the rounded keys.
#include "core/ops/paged_attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/ops/rope.h"
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

// StreamingLLM as its paper has it: queries see the sinks and the last keys, each turned by its
// place among those that are seen; q, k and v as they are before they turn.
std::vector<double> with_sinks(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                               int64_t sinks, int64_t window,
                               const std::shared_ptr<const RopeTable>& rope_table) {
  const int64_t length = q.dim(0);
  const std::vector<double> value = values_of(v);
  std::vector<double> out(static_cast<size_t>(q.elements()), 0.0);
  for (int64_t p = 0; p < length; ++p) {
    std::vector<int64_t> seen;
    for (int64_t j = 0; j <= p; ++j) {
      if (p < sinks + window || j < sinks || j > p - window) seen.push_back(j);
    }
    const auto count = static_cast<int64_t>(seen.size());
    const Tensor cached = Tensor::empty({count, k.dim(1)}, DType::f32);
    auto places = std::make_shared<std::vector<int32_t>>();
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(k.data<float>() + seen[static_cast<size_t>(i)] * k.dim(1), k.dim(1),
                  cached.data<float>() + i * k.dim(1));
      places->push_back(static_cast<int32_t>(i));
    }
    const std::vector<double> key = values_of(rope(ctx, cached, kKvHeads, places, rope_table));
    const auto place = std::make_shared<std::vector<int32_t>>(1, static_cast<int32_t>(count) - 1);
    const std::vector<double> query =
        values_of(rope(ctx, q.slice(p, p + 1), kHeads, place, rope_table));
    for (int64_t h = 0; h < kHeads; ++h) {
      const int64_t kv = h / (kHeads / kKvHeads);
      std::vector<double> weight;
      double sum = 0;
      for (int64_t i = 0; i < count; ++i) {
        double z = 0;
        for (int64_t d = 0; d < kHeadDim; ++d) {
          z += query[static_cast<size_t>(h * kHeadDim + d)] *
               key[static_cast<size_t>((i * kKvHeads + kv) * kHeadDim + d)];
        }
        weight.push_back(std::exp(z * 0.17));
        sum += weight.back();
      }
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t d = 0; d < kHeadDim; ++d) {
          const int64_t from = (seen[static_cast<size_t>(i)] * kKvHeads + kv) * kHeadDim + d;
          out[static_cast<size_t>((p * kHeads + h) * kHeadDim + d)] +=
              weight[static_cast<size_t>(i)] / sum * value[static_cast<size_t>(from)];
        }
      }
    }
  }
  return out;
}

TEST_CASE("paged attention: sinks and a window are those of the definition, however they are cut") {
  const auto table = std::make_shared<const RopeTable>(600, kHeadDim, 10000.0);
  for (const kernels::KernelTable* kernels : supported_tables()) {
    CAPTURE(std::string(kernels->name));
    Machine machine(*kernels, 2);
    for (const auto& [sinks, window] :
         {std::pair<int64_t, int64_t>{1, 1}, {4, 100}, {4, 128}, {130, 60}, {128, 200}}) {
      CAPTURE(sinks);
      CAPTURE(window);
      const int64_t length = 420;
      const Sequences sequences(length, 0);
      const Tensor q = random_tensor({length, kHeads * kHeadDim}, DType::f32, 1, 2.0);
      const Tensor k = random_tensor({length, kKvHeads * kHeadDim}, DType::f32, 2);
      const Tensor v = random_tensor({length, kKvHeads * kHeadDim}, DType::f32, 3);
      auto own = std::make_shared<std::vector<int32_t>>(static_cast<size_t>(length));
      std::iota(own->begin(), own->end(), 0);
      auto near = std::make_shared<std::vector<int32_t>>(*own);
      for (int32_t& place : *near) {
        place = std::min(place, static_cast<int32_t>(sinks + window - 1));
      }
      const Tensor turned = rope(machine.ctx, q, kHeads, own, table);
      const Tensor sink_q = rope(machine.ctx, q, kHeads, near, table);
      const KeyValuePages pages = make_pages(DType::f32);
      sequences.fill(machine.ctx, rope(machine.ctx, k, kKvHeads, own, table), v, 100, pages);
      AttentionOptions options = options_of(window);
      options.sinks = sinks;
      const auto run = [&](int64_t begin, int64_t end) {
        const AttentionSegment segment = {.query_begin = 0,
                                          .num_queries = end - begin,
                                          .key_begin = 0,
                                          .num_keys = end,
                                          .pages = sequences.tables[0]};
        return paged_attention(machine.ctx, turned.slice(begin, end), pages, shared({segment}),
                               options, sink_q.slice(begin, end));
      };
      const Tensor whole = run(0, length);
      if (kernels == supported_tables().front() || kernels == supported_tables().back()) {
        const std::vector<double> expected = with_sinks(machine.ctx, q, k, v, sinks, window, table);
        const std::vector<double> found = values_of(whole);
        double worst = 0;
        for (size_t i = 0; i < found.size(); ++i) {
          worst = std::max(worst, std::abs(found[i] - expected[i]));
        }
        // Angles of up to 420 radians in f32, and sums of values of order one.
        CHECK(worst < 1e-4);
      }
      for (const int64_t piece : {1, 7, 128, 150}) {
        bool same = true;
        for (int64_t begin = 0; begin < length; begin += piece) {
          const int64_t end = std::min(length, begin + piece);
          same = same && same_bits(run(begin, end), whole.slice(begin, end));
        }
        CAPTURE(piece);
        CHECK(same);
      }
    }
  }
}

TEST_CASE("paged attention: sinks need a window and their own queries") {
  Machine machine;
  const Sequences sequences(200, 10);
  const Tensor q = random_tensor({2, kHeads * kHeadDim}, DType::f32, 1);
  const KeyValuePages pages = make_pages(DType::f32);
  AttentionOptions options = options_of(50);
  options.sinks = 3;
  CHECK_NOTHROW(paged_attention(machine.ctx, q, pages, sequences.pages(1), options, q));
  CHECK_THROWS_AS(paged_attention(machine.ctx, q, pages, sequences.pages(1), options), Error);
  options.window = 0;
  CHECK_THROWS_AS(paged_attention(machine.ctx, q, pages, sequences.pages(1), options, q), Error);
}

TEST_CASE("rope: rows beyond the table have the bits of a longer one") {
  for (const RopePrecision precision : {RopePrecision::f32, RopePrecision::bf16}) {
    const RopeTable table(10, 8, 1e4, precision);
    const RopeTable longer(5000, 8, 1e4, precision);
    const std::vector<int32_t> positions = {3, 4999, 9, 10, 4999};
    const RopeTable rows = table.at(positions);
    CHECK(rows.max_positions() == 5);
    for (size_t row = 0; row < positions.size(); ++row) {
      for (int64_t i = 0; i < 4; ++i) {
        const auto from = static_cast<int64_t>(row) * 4 + i;
        const int64_t to = positions[row] * int64_t{4} + i;
        CHECK(rows.cosine()[from] == longer.cosine()[to]);
        CHECK(rows.sine()[from] == longer.sine()[to]);
      }
    }
  }
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
