#include "core/kernels/swiglu.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

constexpr int64_t kRows = 3;

struct Case {
  Case(DType type, int64_t f, double scale)
      : width(f),
        x(type, kRows * 2 * f),
        y(type, kRows * f),
        dy(type, kRows * f),
        dx(type, kRows * 2 * f) {
    x.randomise(1, scale);
    dy.randomise(2);
  }
  SwigluArgs args() const { return {x.data(), y.data(), dy.data(), dx.data(), x.type(), width}; }

  int64_t width;
  GuardedBuffer x, y, dy, dx;
};

TEST_CASE("swiglu: every table agrees with the scalar one, however rows are cut") {
  for (const KernelTable* table : fast_tables()) {
    for (DType type : {DType::f32, DType::bf16}) {
      for (int64_t width : {1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 1024}) {
        for (double scale : {1.0, 30.0}) {
          CAPTURE(table->name);
          CAPTURE(width);
          const Case want(type, width, scale);
          const Case got(type, width, scale);
          scalar_table().swiglu(want.args(), {0, kRows});
          scalar_table().swiglu_backward(want.args(), {0, kRows});
          table->swiglu(got.args(), {0, 2});
          table->swiglu(got.args(), {2, kRows});
          table->swiglu_backward(got.args(), {0, 1});
          table->swiglu_backward(got.args(), {1, kRows});
          CHECK(largest_error(got.y, want.y, 1e-6) <= tolerance(type, 1e-6));
          // 1 + z (1 - s) cancels near z = -1.28, hence the floor.
          CHECK(largest_error(got.dx, want.dx, 1) <= tolerance(type, 2e-6));
          SwigluArgs in_place = got.args();
          in_place.dx = got.x.data();
          table->swiglu_backward(in_place, {0, kRows});
          CHECK(same_bytes(got.x, got.dx));
          CHECK((got.x.intact() && got.y.intact() && got.dy.intact() && got.dx.intact()));
        }
      }
    }
  }
}

TEST_CASE("swiglu: far from zero the gate is open or shut") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    Case c(DType::f32, 3, 1);
    c.x.fill(2);
    c.x.set(0, 200);
    c.x.set(1, -200);
    c.x.set(2, 0);
    c.dy.fill(1);
    table->swiglu(c.args(), {0, 1});
    table->swiglu_backward(c.args(), {0, 1});
    CHECK(c.y.get(0) == 400);
    CHECK(std::fabs(c.y.get(1)) < 1e-30f);
    CHECK(c.y.get(2) == 0);
    CHECK(c.dx.get(0) == 2);
    CHECK(c.dx.get(1) == 0);
    CHECK(c.dx.get(2) == 1);
  }
}

TEST_CASE("swiglu: the scalar derivative is that of the formula") {
  const Case c(DType::f32, 4, 2.0);
  scalar_table().swiglu_backward(c.args(), {0, kRows});
  const auto dx = central_differences(
      [&](const std::vector<double>& x) {
        double sum = 0;
        for (int64_t n = 0; n < kRows; ++n) {
          for (int64_t i = 0; i < 4; ++i) {
            const double gate = x[n * 8 + i];
            sum += c.dy.get(n * 4 + i) * gate / (1 + std::exp(-gate)) * x[n * 8 + 4 + i];
          }
        }
        return sum;
      },
      c.x.values());
  CHECK(largest_error(c.dx.values(), dx, 1e-2) <= 1e-5);
}

}  // namespace
}  // namespace cadre::kernels::testing
