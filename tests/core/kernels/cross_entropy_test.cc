#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/kernels/softmax.h"
#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

constexpr int64_t kRows = 4;

struct Case {
  Case(DType dz_type, int64_t vocabulary, double scale)
      : width(vocabulary),
        z(DType::f32, kRows * vocabulary),
        targets(DType::i32, kRows),
        loss(DType::f32, kRows),
        lse(DType::f32, kRows),
        weight(DType::f32, kRows),
        dz(dz_type, kRows * vocabulary) {
    z.randomise(1, scale);
    weight.randomise(2);
    const int64_t wanted[kRows] = {0, width - 1, -1, width / 2};
    for (int64_t n = 0; n < kRows; ++n) targets.i32()[n] = static_cast<int32_t>(wanted[n]);
  }
  CrossEntropyArgs args() const {
    return {z.f32(),      width,     targets.i32(), loss.f32(), lse.f32(),
            weight.f32(), dz.data(), dz.type(),     width,      width};
  }
  bool intact() const {
    return z.intact() && loss.intact() && lse.intact() && weight.intact() && dz.intact();
  }

  int64_t width;
  GuardedBuffer z, targets, loss, lse, weight, dz;
};

TEST_CASE("cross_entropy: every table agrees with the scalar one, however rows are cut") {
  for (const KernelTable* table : fast_tables()) {
    for (DType type : {DType::f32, DType::bf16}) {
      for (int64_t width : {1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 129, 8191}) {
        for (double scale : {1.0, 20.0}) {
          CAPTURE(table->name);
          CAPTURE(width);
          const Case want(type, width, scale);
          const Case got(type, width, scale);
          scalar_table().cross_entropy(want.args(), {0, kRows});
          table->cross_entropy(got.args(), {0, 1});
          table->cross_entropy(got.args(), {1, kRows});
          CHECK(largest_error(got.loss, want.loss, 1) <= 1e-6);
          CHECK(largest_error(got.lse, want.lse, 1) <= 1e-6);
          CHECK(largest_error(got.dz, want.dz, 1e-4) <= tolerance(type, 2e-6));
          CHECK(got.intact());
        }
      }
    }
  }
}

TEST_CASE("cross_entropy: dz may take the place of z, in either type, or be left out") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    for (DType type : {DType::f32, DType::bf16}) {
      const Case apart(type, 77, 3);
      const Case in_place(type, 77, 3);
      table->cross_entropy(apart.args(), {0, kRows});
      CrossEntropyArgs args = apart.args();
      args.dz = nullptr;
      args.weight = nullptr;
      args.lse = nullptr;
      args.loss = in_place.loss.f32();
      table->cross_entropy(args, {0, kRows});
      CHECK(same_bytes(apart.loss, in_place.loss));

      args = in_place.args();
      args.dz = in_place.z.data();
      args.dz_stride = type == DType::bf16 ? 2 * 77 : 77;
      table->cross_entropy(args, {0, kRows});
      for (int64_t n = 0; n < kRows; ++n) {
        for (int64_t v = 0; v < 77; ++v) {
          const float value = type == DType::bf16
                                  ? to_f32(static_cast<bf16*>(args.dz)[n * args.dz_stride + v])
                                  : static_cast<float*>(args.dz)[n * args.dz_stride + v];
          CHECK(value == apart.dz.get(n * 77 + v));
        }
      }
      CHECK(in_place.intact());
    }
  }
}

TEST_CASE(
    "cross_entropy: a target of -1 gives no loss and no derivative, also where z is not finite") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    Case c(DType::f32, 40, 1);
    for (int64_t n = 0; n < kRows; ++n) c.targets.i32()[n] = -1;
    for (int64_t v = 0; v < 40; ++v) c.z.set(v, std::numeric_limits<float>::infinity());
    table->cross_entropy(c.args(), {0, kRows});
    for (int64_t i = 0; i < c.dz.count(); ++i) CHECK(c.dz.get(i) == 0);
    for (int64_t n = 0; n < kRows; ++n) CHECK(c.loss.get(n) == 0);
    CHECK(std::isfinite(c.lse.get(1)));
  }
}

TEST_CASE("cross_entropy: logits of -inf have probability zero") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    Case c(DType::f32, 70, 1);
    for (int64_t v = 0; v < 70; ++v) c.z.set(v, v % 2 == 0 ? 5.0f : -INFINITY);
    table->cross_entropy(c.args(), {0, 1});
    CHECK(c.loss.get(0) == doctest::Approx(std::log(35.0)));
    CHECK(c.dz.get(1) == 0);
    CHECK(c.dz.get(2) == doctest::Approx(c.weight.get(0) / 35));
  }
}

TEST_CASE("cross_entropy: the scalar derivative is that of the loss") {
  constexpr int64_t kWidth = 6;
  const Case c(DType::f32, kWidth, 2);
  scalar_table().cross_entropy(c.args(), {0, kRows});
  const auto dz = central_differences(
      [&](const std::vector<double>& z) {
        double total = 0;
        for (int64_t n = 0; n < kRows; ++n) {
          const int32_t target = c.targets.i32()[n];
          if (target < 0) continue;
          double sum = 0;
          for (int64_t v = 0; v < kWidth; ++v) sum += std::exp(z[n * kWidth + v]);
          total += c.weight.get(n) * (std::log(sum) - z[n * kWidth + target]);
        }
        return total;
      },
      c.z.values());
  CHECK(largest_error(c.dz.values(), dz, 1e-2) <= 1e-5);
}

}  // namespace
}  // namespace cadre::kernels::testing
