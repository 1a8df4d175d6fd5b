#include "core/ops/local_filter.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

constexpr int64_t kHidden = 12;
constexpr int64_t kInner = 7;

LocalFilterWeights some_weights(DType type) {
  return {.first = random_tensor({kInner, 2 * kHidden}, type, 1, 0.3),
          .first_bias = random_tensor({kInner}, DType::f32, 2),
          .second = random_tensor({kHidden, 2 * kInner}, type, 3, 0.3),
          .second_bias = random_tensor({kHidden}, DType::f32, 4)};
}

AttentionSegments segments_of(const std::vector<int64_t>& lengths) {
  auto segments = std::make_shared<std::vector<AttentionSegment>>();
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    segments->push_back({begin, length, begin, length});
    begin += length;
  }
  return segments;
}

// The definition, one sequence, in f64; `first_inner_is_bias` makes the mistake of taking the bias
// for the inner row before the first.
std::vector<double> definition(const Tensor& h, const LocalFilterWeights& weights,
                               bool first_inner_is_bias = false) {
  const std::vector<double> x = values_of(h), a = values_of(weights.first),
                            bias = values_of(weights.first_bias), b = values_of(weights.second),
                            outer = values_of(weights.second_bias);
  const auto at = [](const std::vector<double>& rows, int64_t t, int64_t i, int64_t width) {
    return t < 0 ? 0.0 : rows[static_cast<size_t>(t * width + i)];
  };
  std::vector<double> inner, y;
  for (int64_t t = 0; t < h.dim(0); ++t) {
    for (int64_t o = 0; o < kInner; ++o) {
      double sum = bias[static_cast<size_t>(o)];
      for (int64_t i = 0; i < kHidden; ++i) {
        sum += a[static_cast<size_t>(o * 2 * kHidden + i)] * at(x, t - 1, i, kHidden) +
               a[static_cast<size_t>(o * 2 * kHidden + kHidden + i)] * at(x, t, i, kHidden);
      }
      inner.push_back(sum);
    }
    for (int64_t o = 0; o < kHidden; ++o) {
      double sum = outer[static_cast<size_t>(o)] + at(x, t, o, kHidden);
      for (int64_t i = 0; i < kInner; ++i) {
        const double before = t == 0 && first_inner_is_bias ? bias[static_cast<size_t>(i)]
                                                            : at(inner, t - 1, i, kInner);
        sum += b[static_cast<size_t>(o * 2 * kInner + i)] * before +
               b[static_cast<size_t>(o * 2 * kInner + kInner + i)] * at(inner, t, i, kInner);
      }
      y.push_back(sum);
    }
  }
  return y;
}

double largest_difference(const Tensor& found, const std::vector<double>& expected) {
  const std::vector<double> values = values_of(found);
  REQUIRE(values.size() == expected.size());
  double largest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    largest = std::max(largest, std::abs(values[i] - expected[i]));
  }
  return largest;
}

TEST_CASE("local_filter: every table computes the definition, whatever the sequences") {
  const LocalFilterWeights weights = some_weights(DType::f32);
  for (const kernels::KernelTable* table : supported_tables()) {
    Machine machine(*table);
    for (const std::vector<int64_t>& lengths :
         {std::vector<int64_t>{1}, {2}, {3}, {17}, {1, 1, 1}, {5, 1, 30}, {64, 65}}) {
      CAPTURE(table->name);
      CAPTURE(lengths.size());
      int64_t tokens = 0;
      for (const int64_t length : lengths) tokens += length;
      const Tensor h = random_tensor({tokens, kHidden}, DType::f32, 5);
      const Tensor y = local_filter(machine.ctx, h, weights, segments_of(lengths));
      int64_t begin = 0;
      for (const int64_t length : lengths) {
        // Sums of at most 40 products of order one.
        CHECK(largest_difference(y.slice(begin, begin + length),
                                 definition(h.slice(begin, begin + length), weights)) < 1e-5);
        begin += length;
      }
    }
  }
}

TEST_CASE("local_filter: the inner row before a sequence is zero, not the bias") {
  Machine machine;
  const LocalFilterWeights weights = some_weights(DType::f32);
  const Tensor h = random_tensor({3, kHidden}, DType::f32, 5);
  const Tensor y = local_filter(machine.ctx, h, weights, segments_of({3}));
  CHECK(largest_difference(y, definition(h, weights)) < 1e-5);
  CHECK(largest_difference(y, definition(h, weights, /*first_inner_is_bias=*/true)) > 0.1);
}

TEST_CASE("local_filter: later tokens do not change earlier rows") {
  Machine machine;
  const LocalFilterWeights weights = some_weights(DType::bf16);
  const Tensor h = random_tensor({20, kHidden}, DType::bf16, 5);
  const Tensor before = local_filter(machine.ctx, h, weights, segments_of({20}));
  const Tensor other = random_tensor({8, kHidden}, DType::bf16, 6);
  std::memcpy(h.slice(12, 20).raw(), other.raw(), static_cast<size_t>(other.bytes()));
  const Tensor after = local_filter(machine.ctx, h, weights, segments_of({20}));
  CHECK(same_bits(before.slice(0, 12), after.slice(0, 12)));
  CHECK_FALSE(same_bits(before.slice(12, 13), after.slice(12, 13)));
}

// Two sequences of `length` tokens, computed in steps that give each of them `piece` tokens.
Tensor in_pieces(Context& ctx, const Tensor& h, const LocalFilterWeights& weights, int64_t length,
                 int64_t piece) {
  const DType type = h.dtype();
  const Tensor y = ctx.empty(h.shape(), DType::f32);
  LocalFilterRows before = {ctx.zeros({2, kHidden}, type), ctx.zeros({2, kInner}, type)};
  const auto copy_row = [](const Tensor& from, int64_t i, const Tensor& to, int64_t j) {
    std::memcpy(to.slice(j, j + 1).raw(), from.slice(i, i + 1).raw(),
                static_cast<size_t>(from.slice(i, i + 1).bytes()));
  };
  for (int64_t begin = 0; begin < length; begin += piece) {
    const int64_t count = std::min(piece, length - begin);
    const Tensor rows = ctx.empty({2 * count, kHidden}, type);
    for (int64_t s = 0; s < 2; ++s) {
      for (int64_t i = 0; i < count; ++i) {
        copy_row(h, s * length + begin + i, rows, s * count + i);
      }
    }
    Tensor inner;
    const Tensor part =
        local_filter(ctx, rows, weights, segments_of({count, count}), before, &inner);
    for (int64_t s = 0; s < 2; ++s) {
      for (int64_t i = 0; i < count; ++i) {
        copy_row(part, s * count + i, y, s * length + begin + i);
      }
      copy_row(rows, (s + 1) * count - 1, before.hidden, s);
      copy_row(inner, (s + 1) * count - 1, before.inner, s);
    }
  }
  return y;
}

TEST_CASE("local_filter: pieces of any size, token by token too, have the bits of the whole") {
  for (const kernels::KernelTable* table : supported_tables()) {
    for (const DType type : {DType::f32, DType::bf16}) {
      for (const int64_t length : {1, 2, 3, 17, 80}) {
        Machine machine(*table, 3);
        const LocalFilterWeights weights = some_weights(type);
        const Tensor h = random_tensor({2 * length, kHidden}, type, 5);
        const Tensor whole = local_filter(machine.ctx, h, weights, segments_of({length, length}));
        for (const int64_t piece : {1, 2, 3, 16}) {
          CAPTURE(table->name);
          CAPTURE(dtype_name(type));
          CAPTURE(length);
          CAPTURE(piece);
          CHECK(same_bits(in_pieces(machine.ctx, h, weights, length, piece), whole));
        }
      }
    }
  }
}

TEST_CASE("local_filter: segments must cover the rows in order, and shapes must agree") {
  Machine machine;
  const LocalFilterWeights weights = some_weights(DType::f32);
  const Tensor h = random_tensor({6, kHidden}, DType::f32, 5);
  const auto run = [&](const std::vector<AttentionSegment>& segments) {
    local_filter(machine.ctx, h, weights,
                 std::make_shared<const std::vector<AttentionSegment>>(segments));
  };
  CHECK_THROWS_AS(run({}), Error);
  CHECK_THROWS_AS(run({{0, 5, 0, 5}}), Error);
  CHECK_THROWS_AS(run({{0, 3, 0, 3}, {4, 2, 4, 2}}), Error);
  CHECK_THROWS_AS(run({{0, 3, 0, 3}, {3, 4, 3, 4}}), Error);
  LocalFilterWeights wrong = weights;
  wrong.second = random_tensor({kHidden, kInner}, DType::f32, 3);
  CHECK_THROWS_AS(local_filter(machine.ctx, h, wrong, segments_of({6})), Error);
}

}  // namespace
}  // namespace cadre::ops
