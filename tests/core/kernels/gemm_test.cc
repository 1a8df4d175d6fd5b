#include "core/kernels/gemm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernel_test.h"

namespace cadre::kernels {
namespace {

struct GemmShape {
  int64_t m, n, k;
  DType type = DType::f32;
  DType c_type = DType::f32;
  bool a_transposed = false;
  bool b_transposed = false;
  bool accumulate = false;

  std::string text() const {
    return std::string(dtype_name(type)) + " -> " + std::string(dtype_name(c_type)) +
           " m=" + std::to_string(m) + " n=" + std::to_string(n) + " k=" + std::to_string(k) +
           (a_transposed ? " a transposed" : "") + (b_transposed ? " b transposed" : "") +
           (accumulate ? " accumulate" : "");
  }
};

// Two matrices, with gaps between their rows and off alignment, and where their product goes.
struct GemmCase {
  GemmCase(const GemmShape& s, RandomStream& random)
      : shape(s),
        a(s.type, s.a_transposed ? s.k : s.m, s.a_transposed ? s.m : s.k,
          (s.a_transposed ? s.m : s.k) + random.below(5), random.below(3)),
        b(s.type, s.b_transposed ? s.n : s.k, s.b_transposed ? s.k : s.n,
          (s.b_transposed ? s.k : s.n) + random.below(5), random.below(3)),
        c(s.c_type, s.m, s.n, s.n + random.below(5), random.below(3)) {
    a.fill_uniform(random);
    b.fill_uniform(random);
    if (s.accumulate) {
      c.fill_uniform(random);
    } else {
      c.fill_nan();
    }
  }

  // The block of the product with rows [i, i + m) and columns [j, j + n), written to `to`.
  void run_block(const KernelTable& table, GuardedMatrix& to, int64_t i, int64_t m, int64_t j,
                 int64_t n, std::byte* scratch) {
    GemmArgs args;
    args.m = m;
    args.n = n;
    args.k = shape.k;
    args.a = shape.a_transposed ? a.at(0, i) : a.at(i, 0);
    args.a_stride = a.stride();
    args.a_transposed = shape.a_transposed;
    args.b = shape.b_transposed ? b.at(j, 0) : b.at(0, j);
    args.b_stride = b.stride();
    args.b_transposed = shape.b_transposed;
    args.type = shape.type;
    args.c = to.at(i, j);
    args.c_stride = to.stride();
    args.c_type = shape.c_type;
    args.accumulate = shape.accumulate;
    args.scratch = scratch;
    table.gemm(args);
  }

  GuardedMatrix run(const KernelTable& table, std::byte fill = std::byte{0xff}) {
    GuardedMatrix result = c;
    Scratch scratch(fill);
    run_block(table, result, 0, shape.m, 0, shape.n, scratch.data());
    return result;
  }

  // A sum of k products, added up in f32 in any order, errs by at most k roundings of the sum of
  // absolute values; results in bf16, the expected one too, are rounded once more, to 8 bits.
  double tolerance(int64_t i, int64_t j, double expected) const {
    const double sums = static_cast<double>(shape.k + 2) * 0x1p-24 * absolute_sum(i, j);
    return sums + (shape.c_type == DType::bf16 ? 2 * 0x1p-8 * (std::abs(expected) + sums) : 0.0);
  }

  double absolute_sum(int64_t i, int64_t j) const {
    double sum = shape.accumulate ? std::abs(c.get(i, j)) : 0.0;
    for (int64_t p = 0; p < shape.k; ++p) {
      const double left = shape.a_transposed ? a.get(p, i) : a.get(i, p);
      const double right = shape.b_transposed ? b.get(j, p) : b.get(p, j);
      sum += std::abs(left * right);
    }
    return sum;
  }

  GemmShape shape;
  GuardedMatrix a, b, c;
};

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

// Whether the product, computed in random blocks, has the bits of the product computed at once.
void check_cuts(GemmCase& c, const KernelTable& table, int64_t largest_block,
                RandomStream& random) {
  CAPTURE(c.shape.text());
  CAPTURE(table.name);
  const GuardedMatrix whole = c.run(table);
  GuardedMatrix pieces = c.c;
  Scratch scratch;
  for (int64_t i = 0; i < c.shape.m;) {
    const int64_t m = std::min<int64_t>(c.shape.m - i, 1 + random.below(largest_block));
    for (int64_t j = 0; j < c.shape.n;) {
      const int64_t n = std::min<int64_t>(c.shape.n - j, 1 + random.below(largest_block));
      c.run_block(table, pieces, i, m, j, n, scratch.data());
      j += n;
    }
    i += m;
  }
  CHECK(pieces.same_bits(whole));
  CHECK(pieces.guards_intact());
}

TEST_CASE("gemm: the bits of an element do not depend on how m and n are cut") {
  RandomStream random(3);
  for (int i = 0; i < 40; ++i) {
    GemmCase c(random_shape(random), random);
    for (const KernelTable* table : supported_tables()) check_cuts(c, *table, 80, random);
  }
}

TEST_CASE("gemm: nor where a call takes several blocks in every direction") {
  RandomStream random(6);
  for (const DType type : {DType::bf16, DType::f32}) {
    for (int transposed = 0; transposed < 4; ++transposed) {
      // Factors larger than a second-level cache, and sums too many to wait in scratch at once.
      const bool flat = transposed % 2 == 0;
      GemmCase c({.m = flat ? 170 : 1300,
                  .n = flat ? 2100 : 240,
                  .k = flat ? 2200 : 2040,
                  .type = type,
                  .c_type = flat ? DType::f32 : type,
                  .a_transposed = (transposed & 1) != 0,
                  .b_transposed = (transposed & 2) != 0},
                 random);
      for (const KernelTable* table : supported_tables()) {
        if (table != &scalar_table()) check_cuts(c, *table, 400, random);
      }
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

TEST_CASE("gemm: a preferred cut covers the product in about as many blocks as threads") {
  for (const int64_t m : {0, 1, 16, 100, 257, 4096}) {
    for (const int64_t n : {0, 1, 31, 512, 2048, 50304}) {
      for (const int64_t k : {0, 1, 256, 2048}) {
        for (const int threads : {1, 2, 3, 16, 128}) {
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CAPTURE(threads);
          const GemmCut cut = preferred_cut(m, n, k, DType::bf16, threads);
          REQUIRE(cut.m >= 1);
          REQUIRE(cut.n >= 1);
          const int64_t blocks = ((m + cut.m - 1) / cut.m) * ((n + cut.n - 1) / cut.n);
          CHECK(blocks <= threads);
        }
      }
    }
  }
  const GemmCut cut = preferred_cut(4096, 2048, 2048, DType::bf16, 2);
  CHECK(cut.m == 2112);  // half, rounded up to whole register tiles
  CHECK(cut.n == 2048);
}

}  // namespace
}  // namespace cadre::kernels
