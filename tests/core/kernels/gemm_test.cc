#include "core/kernels/gemm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gemm_case.h"
#include "guarded.h"

namespace cadre::kernels {
namespace {

constexpr int64_t kSizes[] = {0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 257};

GemmShape random_shape(RandomStream& random) {
  const auto size = [&] { return kSizes[random.below(std::size(kSizes))]; };
  GemmShape shape{.m = size(), .n = size(), .k = size()};
  shape.type = random.below(3) == 0 ? DType::f32 : DType::bf16;
  shape.c_type = random.below(2) == 0 ? DType::f32 : DType::bf16;
  shape.a_transposed = random.below(2) == 0;
  shape.b_transposed = random.below(2) == 0;
  shape.accumulate = random.below(2) == 0;
  return shape;
}

void check_against_scalar(GemmCase& c) {
  const GuardedMatrix expected = c.run(scalar_table());
  std::vector<double> tolerance;
  for (int64_t i = 0; i < c.shape.m; ++i) {
    for (int64_t j = 0; j < c.shape.n; ++j) {
      tolerance.push_back(c.tolerance(i, j, expected.get(i, j)));
    }
  }
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    const GuardedMatrix result = c.run(*table);
    CHECK(result.guards_intact());
    int64_t wrong = 0;
    for (int64_t i = 0; i < c.shape.m; ++i) {
      for (int64_t j = 0; j < c.shape.n; ++j) {
        const double difference = std::abs(result.get(i, j) - double{expected.get(i, j)});
        // Also counts a NaN in either.
        if (!(difference <= tolerance[static_cast<size_t>(i * c.shape.n + j)])) ++wrong;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("gemm: every table agrees with the scalar one and touches nothing else") {
  RandomStream random(1);
  for (int i = 0; i < 250; ++i) {
    const GemmShape shape = random_shape(random);
    CAPTURE(shape.text());
    GemmCase c(shape, random);
    check_against_scalar(c);
  }
}

TEST_CASE("gemm: every table agrees with the scalar one where sums take more than one block") {
  RandomStream random(2);
  for (const DType type : {DType::f32, DType::bf16}) {
    for (int kind = 0; kind < 3; ++kind) {
      for (const bool accumulate : {false, true}) {
        GemmShape shape{.m = 19, .n = 50, .k = 4300, .type = type};
        shape.c_type = kind < 2 ? type : DType::f32;
        shape.a_transposed = kind == 2;
        shape.b_transposed = kind == 0;
        shape.accumulate = accumulate;
        CAPTURE(shape.text());
        GemmCase c(shape, random);
        check_against_scalar(c);
      }
    }
  }
}

TEST_CASE("gemm: every table agrees with the scalar one where columns take more than one block") {
  RandomStream random(7);
  for (const bool b_transposed : {false, true}) {
    for (const DType type : {DType::f32, DType::bf16}) {
      GemmShape shape{.m = 15, .n = 790, .k = 1600, .type = type, .c_type = type};
      shape.b_transposed = b_transposed;
      CAPTURE(shape.text());
      GemmCase c(shape, random);
      check_against_scalar(c);
    }
  }
}

TEST_CASE("gemm: the bits of an element do not depend on how m and n are cut") {
  RandomStream random(3);
  for (int i = 0; i < 40; ++i) {
    GemmCase c(random_shape(random), random);
    for (const KernelTable* table : supported_tables()) check_cuts(c, *table, 80, 80, random);
  }
}

// Few rows meet weights in other ways than many do, where k is not too large for that.
TEST_CASE("gemm: few rows have the bits that they have among many") {
  RandomStream random(8);
  for (const int64_t k : {0, 32, 96, 2336, 16384, 16416}) {
    for (int kind = 0; kind < 4; ++kind) {
      GemmShape shape{.m = 70, .n = k > 4096 ? 40 : 75, .k = k, .type = DType::bf16};
      shape.c_type = kind % 2 == 0 ? DType::f32 : DType::bf16;
      shape.b_transposed = true;
      shape.accumulate = kind < 2;
      GemmCase c(shape, random);
      for (const KernelTable* table : supported_tables()) {
        if (table == &scalar_table()) continue;
        check_cuts(c, *table, 4, 75, random);
        check_cuts(c, *table, 40, 75, random);
      }
    }
  }
}

// The shapes of attention, whose left factor tiles load where it lies: groups of one to three.
TEST_CASE("gemm: small factors of whole tiles") {
  RandomStream random(9);
  for (const int64_t m : {48, 64, 70, 80, 112, 144, 256, 512}) {
    for (const int64_t k : {64, 128, 512, 544}) {
      for (const bool b_transposed : {false, true}) {
        GemmShape shape{.m = m, .n = m == 70 ? 64 : 88, .k = k, .type = DType::bf16};
        shape.b_transposed = b_transposed;
        shape.accumulate = !b_transposed;
        CAPTURE(shape.text());
        GemmCase c(shape, random, Rows::packed);
        check_against_scalar(c);
        for (const KernelTable* table : supported_tables()) {
          if (table != &scalar_table()) check_cuts(c, *table, m, 100, random);
        }
      }
    }
  }
}

// c = a b with b in rows of k, bf16 factors and an f32 result whose rows lie `c_stride` apart.
void multiply_rows(const KernelTable& table, int64_t m, int64_t n, int64_t k,
                   const testing::GuardedBuffer& a, const testing::GuardedBuffer& b,
                   const testing::GuardedBuffer& c, int64_t c_stride,
                   const testing::GuardedBuffer& scratch) {
  table.gemm({.m = m,
              .n = n,
              .k = k,
              .a = a.data(),
              .a_stride = k,
              .b = b.data(),
              .b_stride = k,
              .b_transposed = true,
              .type = DType::bf16,
              .c = c.data(),
              .c_stride = c_stride,
              .scratch = static_cast<std::byte*>(scratch.data())});
}

// Where rows of the result begin on lines, whole tiles of sums may be stored there at once.
TEST_CASE("gemm: a result on lines has the bits of one off them") {
  using testing::GuardedBuffer;
  for (const auto [m, n, k] : {std::array<int64_t, 3>{512, 128, 128},
                               {16, 256, 256},
                               {64, 32, 0},
                               {80, 48, 64},
                               {256, 144, 2112},
                               {70, 130, 96},
                               {112, 32, 32}}) {
    CAPTURE(m);
    CAPTURE(n);
    GuardedBuffer a(DType::bf16, m * k), b(DType::bf16, n * k);
    a.randomise(1);
    b.randomise(2);
    for (const KernelTable* table : supported_tables()) {
      CAPTURE(table->name);
      const int64_t stride = (n + 31) / 16 * 16;
      GuardedBuffer on(DType::f32, m * stride), off(DType::f32, m * (stride + 1));
      GuardedBuffer scratch(DType::i8, kGemmScratchBytes);
      on.fill(7);
      off.fill(7);
      multiply_rows(*table, m, n, k, a, b, on, stride, scratch);
      multiply_rows(*table, m, n, k, a, b, off, stride + 1, scratch);
      int64_t different = 0;
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < stride; ++j) {
          if (on.get(i * stride + j) != off.get(i * (stride + 1) + j)) ++different;
        }
      }
      CHECK(different == 0);
      CHECK((on.intact() && off.intact() && scratch.intact()));
    }
  }
}

TEST_CASE("gemm: no page behind the factors, the result or scratch is touched") {
  using testing::GuardedBuffer;
  for (const auto [m, n, k] : {std::array<int64_t, 3>{1, 16, 32},
                               {17, 31, 64},
                               {32, 47, 96},
                               {48, 16, 64},
                               {64, 40, 128},
                               {32, 33, 16384},
                               {33, 17, 16416}}) {
    CAPTURE(m);
    CAPTURE(k);
    GuardedBuffer a(DType::bf16, m * k), b(DType::bf16, n * k);
    a.randomise(1);
    b.randomise(2);
    for (const KernelTable* table : supported_tables()) {
      CAPTURE(table->name);
      GuardedBuffer c(DType::f32, m * n), scratch(DType::i8, kGemmScratchBytes);
      multiply_rows(*table, m, n, k, a, b, c, n, scratch);
      CHECK(std::ranges::all_of(c.values(), [](double x) { return std::isfinite(x); }));
      CHECK((a.intact() && b.intact() && c.intact() && scratch.intact()));
    }
  }
}

TEST_CASE("gemm: what scratch holds before makes no difference") {
  RandomStream random(4);
  for (int i = 0; i < 20; ++i) {
    const GemmShape shape = random_shape(random);
    CAPTURE(shape.text());
    GemmCase c(shape, random);
    for (const KernelTable* table : supported_tables()) {
      CAPTURE(table->name);
      CHECK(c.run(*table, std::byte{0x00}).same_bits(c.run(*table, std::byte{0x7f})));
    }
  }
}

TEST_CASE("gemm: an infinity or NaN reaches its row and column and nothing else") {
  RandomStream random(5);
  for (int kind = 0; kind < 3; ++kind) {
    const DType type = kind == 0 ? DType::f32 : DType::bf16;
    const bool few = kind == 2;
    const int64_t m = few ? 30 : 40, k = few ? 64 : 70;
    GemmCase c({.m = m, .n = 50, .k = k, .type = type, .b_transposed = few}, random);
    c.a.set(3, k - 1, std::numeric_limits<float>::infinity());
    const float nan = std::numeric_limits<float>::quiet_NaN();
    c.b.set(few ? 48 : k - 1, few ? k - 1 : 48, nan);
    for (const KernelTable* table : supported_tables()) {
      CAPTURE(table->name);
      const GuardedMatrix result = c.run(*table);
      int64_t wrong = 0;
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < 50; ++j) {
          const float value = result.get(i, j);
          if (j == 48 ? !std::isnan(value) : std::isfinite(value) != (i != 3)) ++wrong;
        }
      }
      CHECK(wrong == 0);
    }
  }
}

}  // namespace
}  // namespace cadre::kernels
