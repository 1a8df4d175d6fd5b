#include "core/kernels/rms_norm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::bf16};
constexpr int64_t kWidths[] = {1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 2048};

struct Case {
  Case(DType x_type, DType y_type, int64_t num_rows, int64_t width)
      : rows(num_rows),
        x(x_type, num_rows * width),
        dy(y_type, num_rows * width),
        weight(DType::f32, width),
        y(y_type, num_rows * width),
        r(DType::f32, num_rows),
        dx(x_type, num_rows * width),
        dweight(DType::f32, width) {
    x.randomise(1);
    dy.randomise(2);
    weight.randomise(3);
    dx.randomise(4);
    dweight.randomise(5);
  }
  RmsNormArgs forward() const {
    return {x.data(), x.type(), weight.f32(), y.data(), y.type(), r.f32(), weight.count(), 1e-5f};
  }
  RmsNormBackwardArgs backward(bool accumulate) const {
    return {dy.data(), dy.type(),  x.data(),      x.type(),   weight.f32(), r.f32(),
            dx.data(), accumulate, dweight.f32(), accumulate, rows,         weight.count()};
  }
  bool intact() const {
    return x.intact() && dy.intact() && weight.intact() && y.intact() && r.intact() &&
           dx.intact() && dweight.intact();
  }

  int64_t rows;
  GuardedBuffer x, dy, weight, y, r, dx, dweight;
};

TEST_CASE("rms_norm: every table agrees with the scalar one") {
  for (const KernelTable* table : fast_tables()) {
    for (DType x_type : kTypes) {
      for (DType y_type : kTypes) {
        for (int64_t width : kWidths) {
          CAPTURE(table->name);
          CAPTURE(width);
          const Case want(x_type, y_type, 3, width);
          const Case got(x_type, y_type, 3, width);
          scalar_table().rms_norm(want.forward(), {0, 3});
          table->rms_norm(got.forward(), {0, 3});
          CHECK(largest_error(got.y, want.y, 0) <= tolerance(y_type, 1e-6));
          CHECK(largest_error(got.r, want.r, 0) <= 1e-6);
          for (bool accumulate : {false, true}) {
            scalar_table().rms_norm_backward(want.backward(accumulate), {0, 3});
            table->rms_norm_backward(got.backward(accumulate), {0, 3});
            CHECK(largest_error(got.dx, want.dx, 1) <= tolerance(x_type, 1e-5));
            scalar_table().rms_norm_backward_weight(want.backward(accumulate), {0, width});
            table->rms_norm_backward_weight(got.backward(accumulate), {0, width});
            CHECK(largest_error(got.dweight, want.dweight, 1) <= 1e-5);
          }
          CHECK(got.intact());
        }
      }
    }
  }
}

TEST_CASE("rms_norm: rows and columns have the same bits however they are cut") {
  for (const KernelTable* table : fast_tables()) {
    CAPTURE(table->name);
    constexpr int64_t kRows = 131, kWidth = 100;
    const Case whole(DType::bf16, DType::f32, kRows, kWidth);
    const Case parts(DType::bf16, DType::f32, kRows, kWidth);
    table->rms_norm(whole.forward(), {0, kRows});
    table->rms_norm_backward(whole.backward(true), {0, kRows});
    table->rms_norm_backward_weight(whole.backward(true), {0, kWidth});
    for (Range rows : {Range{0, 1}, Range{1, 77}, Range{77, kRows}}) {
      table->rms_norm(parts.forward(), rows);
      table->rms_norm_backward(parts.backward(true), rows);
    }
    for (Range columns : {Range{0, 3}, Range{3, 71}, Range{71, kWidth}}) {
      table->rms_norm_backward_weight(parts.backward(true), columns);
    }
    CHECK(same_bytes(whole.y, parts.y));
    CHECK(same_bytes(whole.dx, parts.dx));
    CHECK(same_bytes(whole.dweight, parts.dweight));
  }
}

TEST_CASE("rms_norm: may run in place, without keeping r, and a row of zeros stays zero") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    Case apart(DType::f32, DType::f32, 2, 37);
    apart.x.fill(0);
    for (int64_t i = 0; i < 37; ++i) apart.x.set(i, static_cast<float>(i) - 18);
    table->rms_norm(apart.forward(), {0, 2});
    RmsNormArgs in_place = apart.forward();
    in_place.y = apart.x.data();
    in_place.inverse_rms = nullptr;
    table->rms_norm(in_place, {0, 2});
    CHECK(same_bytes(apart.x, apart.y));
    for (int64_t i = 37; i < 74; ++i) CHECK(apart.y.get(i) == 0);
  }
}

TEST_CASE("rms_norm: the scalar derivatives are those of the formula") {
  constexpr int64_t kRows = 2, kWidth = 5;
  const Case c(DType::f32, DType::f32, kRows, kWidth);
  scalar_table().rms_norm(c.forward(), {0, kRows});
  scalar_table().rms_norm_backward(c.backward(false), {0, kRows});
  scalar_table().rms_norm_backward_weight(c.backward(false), {0, kWidth});
  const auto loss = [&](const std::vector<double>& x, const std::vector<double>& weight) {
    double sum = 0;
    for (int64_t n = 0; n < kRows; ++n) {
      double squares = 0;
      for (int64_t i = 0; i < kWidth; ++i) squares += x[n * kWidth + i] * x[n * kWidth + i];
      for (int64_t i = 0; i < kWidth; ++i) {
        const double y = x[n * kWidth + i] * weight[i] / std::sqrt(squares / kWidth + 1e-5);
        sum += c.dy.get(n * kWidth + i) * y;
      }
    }
    return sum;
  };
  const auto dx = central_differences(
      [&](const std::vector<double>& x) { return loss(x, c.weight.values()); }, c.x.values());
  const auto dweight = central_differences(
      [&](const std::vector<double>& w) { return loss(c.x.values(), w); }, c.weight.values());
  CHECK(largest_error(c.dx.values(), dx, 1e-2) <= 1e-5);
  CHECK(largest_error(c.dweight.values(), dweight, 1e-2) <= 1e-5);
}

}  // namespace
}  // namespace cadre::kernels::testing
