#include "core/kernels/softmax.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

TEST_CASE("softmax: every table agrees with the scalar one, in place and cut too") {
  for (const KernelTable* table : fast_tables()) {
    for (int64_t width : {1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 2048}) {
      for (double scale : {1.0, 40.0}) {
        CAPTURE(table->name);
        CAPTURE(width);
        GuardedBuffer z(DType::f32, 3 * width), want(DType::f32, 3 * width),
            got(DType::f32, 3 * width), want_lse(DType::f32, 3), lse(DType::f32, 3);
        z.randomise(1, scale);
        if (width > 2) z.set(width + 1, -kInf);
        scalar_table().softmax({z.f32(), want.f32(), want_lse.f32(), width}, {0, 3});
        table->softmax({z.f32(), got.f32(), lse.f32(), width}, {0, 2});
        table->softmax({z.f32(), got.f32(), lse.f32(), width}, {2, 3});
        // z - max is rounded to f32, to half of 2^-17 where p is above the floor.
        CHECK(largest_error(got, want, 1e-30) <= 5e-6);
        CHECK(largest_error(lse, want_lse, 1) <= 1e-6);
        table->softmax({z.f32(), z.f32(), nullptr, width}, {0, 3});
        CHECK(same_bytes(z, got));
        CHECK((z.intact() && got.intact() && lse.intact()));
      }
    }
  }
}

TEST_CASE("softmax_backward: every table agrees with the scalar one, in place and cut too") {
  for (const KernelTable* table : fast_tables()) {
    for (int64_t width : {1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 2048}) {
      CAPTURE(table->name);
      CAPTURE(width);
      GuardedBuffer p(DType::f32, 3 * width), dp(DType::f32, 3 * width),
          want(DType::f32, 3 * width), got(DType::f32, 3 * width);
      p.randomise(2, 3.0);
      scalar_table().softmax({p.f32(), p.f32(), nullptr, width}, {0, 3});
      dp.randomise(3);
      scalar_table().softmax_backward({p.f32(), dp.f32(), want.f32(), width}, {0, 3});
      table->softmax_backward({p.f32(), dp.f32(), got.f32(), width}, {0, 1});
      table->softmax_backward({p.f32(), dp.f32(), got.f32(), width}, {1, 3});
      double error = 0;
      for (int64_t i = 0; i < 3 * width; ++i) {
        error = std::max(error, std::abs(double{got.get(i)} - want.get(i)) / p.get(i));
      }
      // Of the sum, whose weights p add to 1, and of its difference with a value of up to 4.
      CHECK(error <= 1e-6);
      table->softmax_backward({p.f32(), dp.f32(), dp.f32(), width}, {0, 3});
      CHECK(same_bytes(dp, got));
      CHECK((p.intact() && dp.intact() && got.intact()));
    }
  }
}

TEST_CASE(
    "softmax: rows of -inf give zeros, a NaN spoils its row only, large values do not overflow") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    constexpr int64_t kWidth = 21;
    GuardedBuffer z(DType::f32, 3 * kWidth), p(DType::f32, 3 * kWidth), lse(DType::f32, 3);
    z.fill(-kInf);
    for (int64_t i = 0; i < kWidth; ++i) z.set(kWidth + i, 3e38f);
    for (int64_t i = 0; i < kWidth; ++i) z.set(2 * kWidth + i, i == 4 ? NAN : 1.0f);
    table->softmax({z.f32(), p.f32(), lse.f32(), kWidth}, {0, 3});
    for (int64_t i = 0; i < kWidth; ++i) {
      CHECK(p.get(i) == 0);
      CHECK(p.get(kWidth + i) == doctest::Approx(1.0 / kWidth));
      CHECK(std::isnan(p.get(2 * kWidth + i)));
    }
    CHECK(lse.get(0) == -kInf);
    CHECK(lse.get(1) == 3e38f);
    CHECK(std::isnan(lse.get(2)));
  }
}

}  // namespace
}  // namespace cadre::kernels::testing
