#include "core/kernels/adamw.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

struct Case {
  Case(DType copy_type, int64_t count)
      : weight(DType::f32, count),
        gradient(DType::f32, count),
        m(DType::f32, count),
        v(DType::f32, count),
        copy(copy_type, count) {
    weight.randomise(1);
    gradient.randomise(2);
    m.fill(0);
    v.fill(0);
  }
  AdamWArgs args(int step) const {
    return {weight.f32(),
            gradient.f32(),
            m.f32(),
            v.f32(),
            copy.data(),
            copy.type(),
            0.5f,
            1e-2f,
            0.9f,
            0.95f,
            1e-8f,
            0.1f,
            1.0f - std::pow(0.9f, static_cast<float>(step)),
            1.0f - std::pow(0.95f, static_cast<float>(step))};
  }
  bool intact() const {
    return weight.intact() && gradient.intact() && m.intact() && v.intact() && copy.intact();
  }

  GuardedBuffer weight, gradient, m, v, copy;
};

TEST_CASE("adamw: every table gives the bits of the scalar one, however elements are cut") {
  for (const KernelTable* table : fast_tables()) {
    for (DType type : {DType::f32, DType::bf16}) {
      // Buffers end with their page, so those of 96, 1024 and 1056 begin with a line.
      for (int64_t count :
           {1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 96, 100, 1024, 1031, 1056}) {
        CAPTURE(table->name);
        CAPTURE(count);
        Case want(type, count);
        Case got(type, count);
        for (int step = 1; step <= 3; ++step) {
          want.gradient.randomise(10 + step);
          got.gradient.copy(want.gradient);
          scalar_table().adamw(want.args(step), {0, count});
          table->adamw(got.args(step), {0, count / 3});
          table->adamw(got.args(step), {count / 3, count});
        }
        CHECK(same_bytes(got.weight, want.weight));
        CHECK(same_bytes(got.m, want.m));
        CHECK(same_bytes(got.v, want.v));
        CHECK(same_bytes(got.copy, want.copy));
        CHECK(got.intact());
      }
    }
  }
}

TEST_CASE("adamw: steps are those of the paper, in f64") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    constexpr int64_t kCount = 37;
    Case c(DType::bf16, kCount);
    std::vector<double> w = c.weight.values(), m(kCount, 0.0), v(kCount, 0.0);
    for (int step = 1; step <= 10; ++step) {
      c.gradient.randomise(20 + step);
      table->adamw(c.args(step), {0, kCount});
      for (int64_t i = 0; i < kCount; ++i) {
        const double g = 0.5 * c.gradient.get(i);
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.95 * v[i] + 0.05 * g * g;
        w[i] = w[i] * (1 - 1e-2 * 0.1) - 1e-2 * (m[i] / (1 - std::pow(0.9, step))) /
                                             (std::sqrt(v[i] / (1 - std::pow(0.95, step))) + 1e-8);
      }
    }
    CHECK(largest_error(c.weight.values(), w, 1) <= 1e-6);
    for (int64_t i = 0; i < kCount; ++i) {
      CHECK(c.copy.get(i) == to_f32(to_bf16(c.weight.get(i))));
    }
  }
}

TEST_CASE("adamw: no copy is written where none is asked for, and a gradient of zero only decays") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    Case c(DType::f32, 50);
    c.gradient.fill(0);
    c.weight.fill(2);
    AdamWArgs args = c.args(1);
    args.copy = nullptr;
    table->adamw(args, {0, 50});
    CHECK(std::isnan(c.copy.get(0)));
    for (int64_t i = 0; i < 50; ++i) CHECK(c.weight.get(i) == 2 * (1 - 1e-2f * 0.1f));
  }
}

}  // namespace
}  // namespace cadre::kernels::testing
