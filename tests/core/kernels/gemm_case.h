// One product with its operands, as tests of gemm run it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/kernels/gemm.h"
#include "kernel_test.h"

namespace cadre::kernels {

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

// Where rows of factors begin: anywhere, with gaps between them, or as the width has it from the
// beginning of a cache line on.
enum class Rows { anywhere, packed };

// Two matrices and where their product goes.
struct GemmCase {
  GemmCase(const GemmShape& s, RandomStream& random, Rows rows = Rows::anywhere)
      : shape(s),
        a(factor(s.type, s.a_transposed ? s.k : s.m, s.a_transposed ? s.m : s.k, rows, random)),
        b(factor(s.type, s.b_transposed ? s.n : s.k, s.b_transposed ? s.k : s.n, rows, random)),
        c(s.c_type, s.m, s.n, s.n + random.below(5), random.below(3)) {
    a.fill_uniform(random);
    b.fill_uniform(random);
    if (s.accumulate) {
      c.fill_uniform(random);
    } else {
      c.fill_nan();
    }
  }

  static GuardedMatrix factor(DType type, int64_t height, int64_t width, Rows rows,
                              RandomStream& random) {
    if (rows == Rows::packed) return {type, height, width, width};
    const int64_t stride = width + random.below(5);
    return {type, height, width, stride, static_cast<int64_t>(random.below(3))};
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

// Whether the product, computed in random blocks, has the bits of the product computed at once.
inline void check_cuts(GemmCase& c, const KernelTable& table, int64_t most_rows,
                       int64_t most_columns, RandomStream& random) {
  CAPTURE(c.shape.text());
  CAPTURE(table.name);
  const GuardedMatrix whole = c.run(table);
  GuardedMatrix pieces = c.c;
  Scratch scratch;
  for (int64_t i = 0; i < c.shape.m;) {
    const int64_t m = std::min<int64_t>(c.shape.m - i, 1 + random.below(most_rows));
    for (int64_t j = 0; j < c.shape.n;) {
      const int64_t n = std::min<int64_t>(c.shape.n - j, 1 + random.below(most_columns));
      c.run_block(table, pieces, i, m, j, n, scratch.data());
      j += n;
    }
    i += m;
  }
  CHECK(pieces.same_bits(whole));
  CHECK(pieces.guards_intact());
}

}  // namespace cadre::kernels
