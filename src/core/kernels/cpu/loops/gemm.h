// The product on vector registers, written once over `Math`: how an instruction set multiplies.
//
// Blocks of a and b are packed so that the inner loop reads consecutive memory, padded with zeros
// to whole register tiles. A tile of c, kRows x kVectors registers, gains kBlockDepth steps of k at
// a time; between those it waits in scratch, exactly as it was, so each element is one chain of
// sums over ascending k whatever the blocks. The bound is the multiplier: a step loads kVectors
// vectors and kRows broadcasts, all from the first-level cache, for kRows * kVectors
// multiplications.
//
// A unit is what one lane multiplies in a step: kDepth consecutive elements along k. Math offers
//   Element, Vector, kWidth (lanes), kDepth, kRows, kVectors
//   along_k(p, count)              units at p, p + kDepth, ... from `count` elements, then zeros
//   across(p, stride, depth, count) units of `count` lanes, each from `depth` <= kDepth rows
//   multiply_add(a, b, sum), broadcast(unit address), load/store of units, transpose(rows)
#pragma once

#include <cstdint>

#include "core/kernels/gemm.h"

namespace cadre::kernels::loops {

template <typename Math>
class Gemm {
 public:
  explicit Gemm(const GemmArgs& args)
      : args_(args),
        a_(static_cast<const Element*>(args.a)),
        b_(static_cast<const Element*>(args.b)),
        packed_a_(reinterpret_cast<float*>(args.scratch)),
        packed_b_(packed_a_ + kBlockRows * kBlockDepth),
        sums_(packed_b_ + kBlockColumns * kBlockDepth) {}

  void run() {
    const int64_t units = (args_.k + kDepth - 1) / kDepth;
    for (int64_t j = 0; j < args_.n; j += kBlockColumns) {
      const int64_t columns = smaller(kBlockColumns, args_.n - j);
      for (int64_t i = 0; i < args_.m; i += kBlockRows) {
        const int64_t rows = smaller(kBlockRows, args_.m - i);
        for (int64_t u = 0; u == 0 || u < units; u += kBlockDepth) {
          const int64_t depth = smaller(kBlockDepth, units - u);
          pack_a(i, rows, u, depth);
          if (i == 0 || units > kBlockDepth) pack_b(j, columns, u, depth);
          multiply(rows, columns, depth, u == 0);
        }
        finish(i, rows, j, columns);
      }
    }
  }

 private:
  using Element = typename Math::Element;
  using Vector = typename Math::Vector;
  static constexpr int64_t kWidth = Math::kWidth;
  static constexpr int64_t kDepth = Math::kDepth;
  static constexpr int64_t kRows = Math::kRows;
  static constexpr int64_t kVectors = Math::kVectors;
  static constexpr int64_t kColumns = kVectors * kWidth;
  static constexpr int64_t kBlockDepth = 192;  // units
  static constexpr int64_t kBlockRows = 24 * kRows;
  static constexpr int64_t kBlockColumns = 768;
  static_assert(kBlockColumns % kColumns == 0);
  static_assert(4 * (kBlockRows * kBlockDepth + kBlockColumns * kBlockDepth +
                     kBlockRows * kBlockColumns) <=
                kGemmScratchBytes);

  static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
  static int64_t elements_below(int64_t limit, int64_t begin) {
    return limit > begin ? limit - begin : 0;
  }

  // Row i of a panel at panel[i * kBlockDepth + u] if k is contiguous in a, else at
  // panel[u * kRows + i]: either way it is a copy, and the inner loop broadcasts from both.
  void pack_a(int64_t first_row, int64_t rows, int64_t first_unit, int64_t depth) {
    for (int64_t i = 0; i < rows; i += kRows) {
      float* panel = packed_a_ + i * kBlockDepth;
      const int64_t valid = smaller(kRows, rows - i);
      if (args_.a_transposed) {
        for (int64_t u = 0; u < depth; ++u) {
          const int64_t p = (first_unit + u) * kDepth;
          const Element* from = a_ + p * args_.a_stride + first_row + i;
          for (int64_t lane = 0; lane < kRows; lane += kWidth) {
            const Vector x =
                Math::across(from + lane, args_.a_stride, args_.k - p, elements_below(valid, lane));
            Math::store_units(panel + u * kRows + lane, x, smaller(kWidth, kRows - lane));
          }
        }
      } else {
        for (int64_t row = 0; row < kRows; ++row) {
          const Element* from = a_ + (first_row + i + row) * args_.a_stride;
          for (int64_t u = 0; u < depth; u += kWidth) {
            const int64_t p = (first_unit + u) * kDepth;
            const Vector x = row < valid ? Math::along_k(from + p, args_.k - p) : Vector::zero();
            Math::store_units(panel + row * kBlockDepth + u, x, kWidth);
          }
        }
      }
    }
  }

  // panel[u * kColumns + j]
  void pack_b(int64_t first_column, int64_t columns, int64_t first_unit, int64_t depth) {
    for (int64_t j = 0; j < columns; j += kColumns) {
      float* panel = packed_b_ + j * kBlockDepth;
      for (int64_t lane = 0; lane < kColumns; lane += kWidth) {
        const int64_t valid = smaller(kWidth, elements_below(columns, j + lane));
        if (args_.b_transposed) {
          transpose_b(first_column + j + lane, valid, first_unit, depth, panel + lane);
          continue;
        }
        for (int64_t u = 0; u < depth; ++u) {
          const int64_t p = (first_unit + u) * kDepth;
          const Element* from = b_ + p * args_.b_stride + first_column + j + lane;
          const Vector x = Math::across(from, args_.b_stride, args_.k - p, valid);
          Math::store_units(panel + u * kColumns + lane, x, kWidth);
        }
      }
    }
  }

  void transpose_b(int64_t column, int64_t valid, int64_t first_unit, int64_t depth, float* to) {
    for (int64_t u = 0; u < depth; u += kWidth) {
      const int64_t p = (first_unit + u) * kDepth;
      const Element* from = b_ + column * args_.b_stride + p;
      Vector x[kWidth];
#pragma GCC unroll 16
      for (int64_t row = 0; row < kWidth; ++row) {
        x[row] =
            row < valid ? Math::along_k(from + row * args_.b_stride, args_.k - p) : Vector::zero();
      }
      Math::transpose(x);
      const int64_t steps = smaller(kWidth, depth - u);
      for (int64_t step = 0; step < steps; ++step) {
        Math::store_units(to + (u + step) * kColumns, x[step], kWidth);
      }
    }
  }

  void multiply(int64_t rows, int64_t columns, int64_t depth, bool first) {
    for (int64_t j = 0; j < columns; j += kColumns) {
      const float* b = packed_b_ + j * kBlockDepth;
      for (int64_t i = 0; i < rows; i += kRows) {
        const float* a = packed_a_ + i * kBlockDepth;
        float* sums = tile(i, j);
        if (args_.a_transposed) {
          multiply_tile<1, kRows>(a, b, depth, first, sums);
        } else {
          multiply_tile<kBlockDepth, 1>(a, b, depth, first, sums);
        }
      }
    }
  }

  template <int64_t kRowStep, int64_t kUnitStep>
  static void multiply_tile(const float* a, const float* b, int64_t depth, bool first,
                            float* sums) {
    Vector sum[kRows][kVectors];
#pragma GCC unroll 16
    for (int64_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int64_t v = 0; v < kVectors; ++v) {
        sum[i][v] = first ? Vector::zero()
                          : Vector::load(sums + i * kColumns + v * kWidth, typename Vector::All{});
      }
    }
    for (int64_t u = 0; u < depth; ++u) {
      Vector right[kVectors];
#pragma GCC unroll 4
      for (int64_t v = 0; v < kVectors; ++v) {
        right[v] = Vector::load(b + u * kColumns + v * kWidth, typename Vector::All{});
      }
#pragma GCC unroll 16
      for (int64_t i = 0; i < kRows; ++i) {
        const Vector left = Vector::all(a[i * kRowStep + u * kUnitStep]);
#pragma GCC unroll 4
        for (int64_t v = 0; v < kVectors; ++v) {
          sum[i][v] = Math::multiply_add(left, right[v], sum[i][v]);
        }
      }
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int64_t v = 0; v < kVectors; ++v) {
        sum[i][v].store(sums + i * kColumns + v * kWidth, typename Vector::All{});
      }
    }
  }

  void finish(int64_t first_row, int64_t rows, int64_t first_column, int64_t columns) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; j += kWidth) {
        const int64_t row = i % kRows;
        const float* from = tile(i - row, j - j % kColumns) + row * kColumns + j % kColumns;
        const Vector sum = Vector::load(from, typename Vector::All{});
        const int64_t at = (first_row + i) * args_.c_stride + first_column + j;
        if (args_.c_type == DType::f32) {
          write(static_cast<float*>(args_.c) + at, sum, columns - j);
        } else {
          write(static_cast<bf16*>(args_.c) + at, sum, columns - j);
        }
      }
    }
  }

  template <typename T>
  void write(T* to, Vector sum, int64_t count) {
    if (count >= kWidth) {
      write(to, sum, typename Vector::All{});
    } else {
      write(to, sum, Vector::first(count));
    }
  }
  template <typename T, typename Part>
  void write(T* to, Vector sum, Part part) {
    if (args_.accumulate) sum = sum + Vector::load(to, part);
    sum.store(to, part);
  }

  // The tile of sums whose first row and column are i and j of the block.
  float* tile(int64_t i, int64_t j) { return sums_ + j * kBlockRows + i * kColumns; }

  const GemmArgs& args_;
  const Element* a_;
  const Element* b_;
  float* packed_a_;
  float* packed_b_;
  float* sums_;
};

// Units of one f32, converted from T on packing.
template <typename Isa, typename T>
struct SingleMath : Isa {
  using Element = T;
  using typename Isa::Vector;
  static constexpr int64_t kDepth = 1;

  static Vector along_k(const T* p, int64_t count) { return load(p, count); }
  static Vector across(const T* p, int64_t /*stride*/, int64_t /*depth*/, int64_t count) {
    return load(p, count);
  }
  static Vector multiply_add(Vector a, Vector b, Vector sum) { return Vector::fma(a, b, sum); }
  static void store_units(float* to, Vector x, int64_t count) {
    if (count >= Isa::kWidth) {
      x.store(to, typename Vector::All{});
    } else {
      x.store(to, Vector::first(count));
    }
  }

 private:
  static Vector load(const T* p, int64_t count) {
    if (count >= Isa::kWidth) return Vector::load(p, typename Vector::All{});
    return count <= 0 ? Vector::zero() : Vector::load(p, Vector::first(count));
  }
};

}  // namespace cadre::kernels::loops
