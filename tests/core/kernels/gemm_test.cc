#include "core/kernels/gemm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gemm_case.h"

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
    for (const KernelTable* table : supported_tables()) check_cuts(c, *table, 80, random);
  }
}

// Few rows meet weights in other ways than many do.
TEST_CASE("gemm: few rows have the bits that they have among many") {
  RandomStream random(8);
  for (const int64_t k : {0, 32, 96, 2336, 20000}) {
    for (const DType c_type : {DType::f32, DType::bf16}) {
      GemmShape shape{.m = 70, .n = 75, .k = k, .type = DType::bf16, .c_type = c_type};
      shape.b_transposed = true;
      shape.accumulate = c_type == DType::f32;
      GemmCase c(shape, random);
      for (const KernelTable* table : supported_tables()) {
        if (table == &scalar_table()) continue;
        check_cuts(c, *table, 4, random);
        check_cuts(c, *table, 40, random);
      }
    }
  }
}

// The shapes of attention, whose left factor tiles load where it lies.
TEST_CASE("gemm: small factors of whole tiles") {
  RandomStream random(9);
  for (const int64_t k : {64, 128}) {
    for (const bool b_transposed : {false, true}) {
      GemmShape shape{.m = 144, .n = 88, .k = k, .type = DType::bf16};
      shape.b_transposed = b_transposed;
      shape.accumulate = !b_transposed;
      CAPTURE(shape.text());
      GemmCase c(shape, random);
      check_against_scalar(c);
      for (const KernelTable* table : supported_tables()) check_cuts(c, *table, 100, random);
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
  for (const DType type : {DType::f32, DType::bf16}) {
    GemmCase c({.m = 40, .n = 50, .k = 70, .type = type}, random);
    c.a.set(3, 69, std::numeric_limits<float>::infinity());
    c.b.set(69, 48, std::numeric_limits<float>::quiet_NaN());
    for (const KernelTable* table : supported_tables()) {
      CAPTURE(table->name);
      const GuardedMatrix result = c.run(*table);
      int64_t wrong = 0;
      for (int64_t i = 0; i < 40; ++i) {
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
