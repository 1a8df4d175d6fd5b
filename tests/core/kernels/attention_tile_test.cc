#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/kernels/softmax.h"
#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int64_t kRows = 5;

// Rows see all keys, a range, one key, none, and a range that ends within a register.
struct Case {
  Case(DType p_type, int64_t width_, int64_t output_width)
      : width(width_),
        stride(width_ + 3),
        scores(DType::f32, kRows * (width_ + 3)),
        dp(DType::f32, kRows * (width_ + 3)),
        first(DType::i32, kRows),
        last(DType::i32, kRows),
        row_max(DType::f32, kRows),
        row_sum(DType::f32, kRows),
        output(DType::f32, kRows * output_width),
        p(p_type, kRows * (width_ + 3)),
        ds(p_type, kRows * (width_ + 3)) {
    scores.randomise(1, 4);
    dp.randomise(2);
    row_max.fill(-kInf);
    row_sum.fill(0);
    output.fill(0);
    p.fill(9);
    ds.fill(9);
    const int64_t firsts[kRows] = {0, width / 3, width - 1, 2, 0};
    const int64_t lasts[kRows] = {width, width - width / 4, width, 2, (width + 1) / 2};
    for (int64_t r = 0; r < kRows; ++r) {
      first.i32()[r] = static_cast<int32_t>(firsts[r]);
      last.i32()[r] = static_cast<int32_t>(lasts[r]);
    }
  }
  AttentionTileArgs args() const {
    return {scores.f32(), stride,        width,         first.i32(),  last.i32(),
            0.3f,         row_max.f32(), row_sum.f32(), output.f32(), output.count() / kRows,
            p.data(),     p.type(),      stride};
  }
  AttentionTileBackwardArgs backward(const GuardedBuffer& lse, const GuardedBuffer& delta) const {
    return {scores.f32(), dp.f32(),    stride,   width,     first.i32(), last.i32(), 0.3f,
            lse.f32(),    delta.f32(), p.data(), ds.data(), p.type(),    stride};
  }
  bool intact() const {
    return scores.intact() && row_max.intact() && row_sum.intact() && output.intact() &&
           p.intact() && ds.intact();
  }

  int64_t width, stride;
  GuardedBuffer scores, dp, first, last, row_max, row_sum, output, p, ds;
};

TEST_CASE("attention_tile: every table agrees with the scalar one over several tiles") {
  for (const KernelTable* table : fast_tables()) {
    for (DType type : {DType::f32, DType::bf16}) {
      for (int64_t width : {1, 7, 8, 9, 15, 16, 17, 33, 64, 100, 128, 256}) {
        CAPTURE(table->name);
        CAPTURE(width);
        Case want(type, width, 19);
        Case got(type, width, 19);
        for (uint64_t tile = 0; tile < 3; ++tile) {
          want.scores.randomise(10 + tile, 4);
          got.scores.copy(want.scores);
          scalar_table().attention_tile(want.args(), {0, kRows});
          table->attention_tile(got.args(), {0, 2});
          table->attention_tile(got.args(), {2, kRows});
          CHECK(largest_error(got.p, want.p, 1e-30) <= tolerance(type, 2e-6));
          for (int64_t i = 0; i < want.output.count(); ++i) {  // as a product would
            want.output.f32()[i] += static_cast<float>(i);
            got.output.f32()[i] += static_cast<float>(i);
          }
        }
        CHECK(same_bytes(got.row_max, want.row_max));
        CHECK(largest_error(got.row_sum, want.row_sum, 0) <= 1e-6);
        CHECK(largest_error(got.output, want.output, 0) <= 2e-6);
        CHECK(got.intact());
        for (int64_t r = 0; r < kRows; ++r) {  // what lies beyond the width is not touched
          CHECK(got.p.get(r * got.stride + width) == 9);
        }
      }
    }
  }
}

TEST_CASE(
    "attention_tile: a row's bits depend neither on the width of its tile nor on other rows") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    Case wide(DType::f32, 100, 8);
    Case narrow(DType::f32, 100, 8);
    for (int64_t r = 0; r < kRows; ++r) {
      wide.first.i32()[r] = narrow.first.i32()[r] = static_cast<int32_t>(3 * r);
      wide.last.i32()[r] = narrow.last.i32()[r] = static_cast<int32_t>(37 + r);
    }
    table->attention_tile(wide.args(), {0, kRows});
    AttentionTileArgs cut = narrow.args();
    cut.width = 41;
    for (int64_t r = kRows - 1; r >= 0; --r) table->attention_tile(cut, {r, r + 1});
    CHECK(same_bytes(wide.row_sum, narrow.row_sum));
    CHECK(same_bytes(wide.row_max, narrow.row_max));
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t j = 0; j < 41; ++j) {
        CHECK(wide.p.get(r * wide.stride + j) == narrow.p.get(r * wide.stride + j));
      }
    }
  }
}

// 128 keys that are all seen and none of which scores above those before have a loop of their own.
TEST_CASE("attention_tile: a whole tile under a maximum that stays has the bits of a part of one") {
  constexpr int64_t kWhole = 128;
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    for (const float top : {5.0f, 4.0f, 1.25f, -kInf, 1e30f}) {
      CAPTURE(top);
      Case part(DType::bf16, kWhole + 16, 8);
      Case whole(DType::bf16, kWhole + 16, 8);
      for (int64_t r = 0; r < kRows; ++r) {
        part.first.i32()[r] = whole.first.i32()[r] = 0;
        part.last.i32()[r] = whole.last.i32()[r] = kWhole;
      }
      for (Case* c : {&part, &whole}) {
        c->row_max.fill(top);
        c->row_sum.fill(3);
        c->output.fill(0.7);
      }
      float* const odd = part.scores.f32() + part.stride;  // the second row
      odd[3] = 1e3f;                                       // hidden from a maximum by the next one
      odd[16 + 3] = std::numeric_limits<float>::quiet_NaN();
      std::fill_n(odd + 2 * part.stride, kWhole, -kInf);
      odd[3 * part.stride + 100] = -kInf;
      odd[3 * part.stride + 101] = -3e38f;
      whole.scores.copy(part.scores);
      AttentionTileArgs cut = whole.args();
      cut.width = kWhole;
      table->attention_tile(part.args(), {0, kRows});
      table->attention_tile(cut, {0, kRows});
      CHECK(same_bytes(whole.row_max, part.row_max));
      CHECK(same_bytes(whole.output, part.output));
      for (int64_t r = 0; r < kRows; ++r) {
        CAPTURE(r);
        if (r == 1) {
          CHECK(
              (std::isnan(whole.row_sum.get(r)) && std::isnan(whole.p.get(r * whole.stride + 19))));
          continue;
        }
        CHECK(whole.row_sum.get(r) == part.row_sum.get(r));
        int64_t different = 0;
        for (int64_t j = 0; j < kWhole; ++j) {
          if (whole.p.get(r * whole.stride + j) != part.p.get(r * part.stride + j)) ++different;
        }
        CHECK(different == 0);
        CHECK(whole.p.get(r * whole.stride + kWhole) == 9);
      }
    }
  }
}

TEST_CASE("attention_tile: rows without keys, or with keys of -inf, are left alone") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    Case c(DType::f32, 20, 4);
    c.scores.fill(-kInf);
    c.output.fill(3);
    c.row_sum.fill(2);
    table->attention_tile(c.args(), {0, kRows});
    for (int64_t r = 0; r < kRows; ++r) {
      CHECK(c.row_max.get(r) == -kInf);
      CHECK(c.row_sum.get(r) == 2);
      CHECK(c.output.get(4 * r) == 3);
      for (int64_t j = 0; j < 20; ++j) CHECK(c.p.get(r * c.stride + j) == 0);
    }
  }
}

TEST_CASE("attention_tile_backward: every table agrees with the scalar one") {
  GuardedBuffer lse(DType::f32, kRows), delta(DType::f32, kRows);
  lse.fill(3);
  delta.randomise(4);
  for (const KernelTable* table : fast_tables()) {
    for (DType type : {DType::f32, DType::bf16}) {
      for (int64_t width : {1, 7, 8, 9, 15, 16, 17, 33, 64, 100, 256}) {
        CAPTURE(table->name);
        CAPTURE(width);
        const Case want(type, width, 1);
        const Case got(type, width, 1);
        scalar_table().attention_tile_backward(want.backward(lse, delta), {0, kRows});
        table->attention_tile_backward(got.backward(lse, delta), {0, 3});
        table->attention_tile_backward(got.backward(lse, delta), {3, kRows});
        CHECK(largest_error(got.p, want.p, 1e-30) <= tolerance(type, 2e-6));
        CHECK(largest_error(got.ds, want.ds, 1e-6) <= tolerance(type, 1e-5));
        CHECK(got.intact());
      }
    }
  }
}

// With a scale of 1 and an lse of 0, p is exp of the score: what every kernel with an exp uses.
TEST_CASE("exp: the fast tables are within 0.9 ulp, normal or not, up to overflow") {
  constexpr int64_t kCount = 1 << 12;
  GuardedBuffer x(DType::f32, kCount), p(DType::f32, kCount), ds(DType::f32, kCount),
      zero(DType::f32, 1), keys(DType::i32, 1), none(DType::i32, 1);
  zero.fill(0);
  none.i32()[0] = 0;
  keys.i32()[0] = kCount;
  for (const KernelTable* table : fast_tables()) {
    CAPTURE(table->name);
    double worst = 0;
    for (uint32_t bits = 0x30000000; bits < 0x42d20000; bits += 977 * kCount) {  // 4.7e-10 to 105
      for (uint32_t sign : {0u, 0x80000000u}) {
        for (int64_t i = 0; i < kCount; ++i) {
          x.f32()[i] = std::bit_cast<float>((bits + 977 * static_cast<uint32_t>(i)) | sign);
        }
        table->attention_tile_backward(
            {x.f32(), x.f32(), kCount, kCount, none.i32(), keys.i32(), 1.0f, zero.f32(), zero.f32(),
             p.data(), ds.data(), DType::f32, kCount},
            {0, 1});
        for (int64_t i = 0; i < kCount; ++i) {
          const double want = std::exp(double{x.get(i)});
          if (want > 3.4028234e38) {
            if (!(p.get(i) > 3.4028e38f)) worst = 99;  // the largest number or infinity
            continue;
          }
          const double ulp = std::ldexp(1.0, std::max(std::ilogb(want), -126) - 23);
          worst = std::max(worst, std::fabs(p.get(i) - want) / ulp);
        }
      }
    }
    CHECK(worst < 0.9);
  }
}

// loss = sum_j dp_j p_j with p = softmax(scale * scores) over the keys a row sees; out is p itself.
TEST_CASE("attention_tile_backward: the scalar derivative is that of softmax") {
  constexpr int64_t kWidth = 9;
  const Case c(DType::f32, kWidth, 1);
  GuardedBuffer lse(DType::f32, kRows), delta(DType::f32, kRows);
  const auto softmax = [&](const std::vector<double>& scores, int64_t r) {
    std::vector<double> p(kWidth, 0.0);
    double sum = 0;
    for (int64_t j = c.first.i32()[r]; j < c.last.i32()[r]; ++j) {
      sum += std::exp(double{0.3f} * scores[r * c.stride + j]);
    }
    for (int64_t j = c.first.i32()[r]; j < c.last.i32()[r]; ++j) {
      p[j] = std::exp(double{0.3f} * scores[r * c.stride + j]) / sum;
    }
    lse.set(r, static_cast<float>(std::log(sum)));
    return p;
  };
  const auto loss = [&](const std::vector<double>& scores) {
    double sum = 0;
    for (int64_t r = 0; r < kRows; ++r) {
      const std::vector<double> p = softmax(scores, r);
      double row = 0;
      for (int64_t j = 0; j < kWidth; ++j) row += c.dp.get(r * c.stride + j) * p[j];
      delta.set(r, static_cast<float>(row));
      sum += row;
    }
    return sum;
  };
  const std::vector<double> gradient = central_differences(loss, c.scores.values());
  loss(c.scores.values());
  scalar_table().attention_tile_backward(c.backward(lse, delta), {0, kRows});
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t j = 0; j < kWidth; ++j) {
      const double want = gradient[r * c.stride + j];
      CHECK(std::fabs(c.ds.get(r * c.stride + j) - want) <= 1e-6);
    }
  }
}

}  // namespace
}  // namespace cadre::kernels::testing
