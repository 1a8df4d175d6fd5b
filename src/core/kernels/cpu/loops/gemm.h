// The product on vector registers, written once over `Math`: how an instruction set multiplies.
//
// Blocks of a and b are packed so that the inner loop reads consecutive memory, padded with zeros
// to whole register tiles. A tile of c, kRows x kVectors registers, gains kBlockDepth steps of k at
// a time; between those it waits in scratch, exactly as it was, so each element is one chain of
// sums over ascending k whatever the blocks; after the last it goes to c from the first-level
// cache. The bound is the multiplier: a step loads kVectors vectors and kRows broadcasts, all from
// the first-level cache, for kRows * kVectors multiplications. There a panel of b lies, kBlockDepth
// deep, while the panels of a come from the second level; b as a whole, packed once for all rows,
// may lie in the third.
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
        units_((args.k + kDepth - 1) / kDepth),
        packed_a_(reinterpret_cast<float*>(args.scratch)),
        sums_(packed_a_ + kBlockRows * kBlockDepth),
        packed_b_(sums_ + kBlockRows * kBlockColumns) {
    // If not even half a block of columns can be packed along all of k, it is done piece by piece
    // for each block of rows.
    const bool whole = units_ <= 2 * (kPackedB / kBlockColumns);
    stretch_ = whole ? units_ : kBlockDepth;
    block_columns_ = kBlockColumns;
    if (whole && units_ > 0) {
      block_columns_ = smaller(kBlockColumns, kPackedB / units_ / kColumns * kColumns);
    }
  }

  void run() {
    for (int64_t j = 0; j < args_.n; j += block_columns_) {
      const int64_t columns = smaller(block_columns_, args_.n - j);
      for (int64_t i = 0; i < args_.m; i += kBlockRows) {
        const int64_t rows = smaller(kBlockRows, args_.m - i);
        for (int64_t u = 0; u == 0 || u < units_; u += kBlockDepth) {
          const int64_t depth = smaller(kBlockDepth, units_ - u);
          pack_a(i, rows, u, depth);
          if (stretch_ < units_) {
            pack_b(j, columns, u, depth);
          } else if (i == 0 && u == 0) {
            pack_b(j, columns, 0, units_);
          }
          multiply({i, rows, j, columns, u, depth});
        }
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
  // Units of b that fit beside the rest.
  static constexpr int64_t kPackedB =
      kGemmScratchBytes / 4 - kBlockRows * kBlockDepth - kBlockRows * kBlockColumns;
  static_assert(kBlockColumns % kColumns == 0 && kPackedB >= kBlockColumns * kBlockDepth);
  // Where the lanes of a factor lie side by side, this many rows are read side by side: few enough
  // for the streams that the processor fetches ahead, enough to fill whole lines of a panel.
  static constexpr int64_t kRowsAtOnce = 8;

  // A block of c and a part of k.
  struct Block {
    int64_t first_row, rows;
    int64_t first_column, columns;
    int64_t first_unit, depth;
  };

  static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
  static int64_t elements_below(int64_t limit, int64_t begin) {
    return limit > begin ? limit - begin : 0;
  }

  // Row i of a panel at panel[i * kBlockDepth + u] if k is contiguous in a, else at
  // panel[u * kRows + i]: either way it is a copy, and the inner loop broadcasts from both.
  void pack_a(int64_t first_row, int64_t rows, int64_t first_unit, int64_t depth) {
    if (args_.a_transposed) {
      pack_lanes<kRows>(a_ + first_row, args_.a_stride, rows, first_unit, depth, packed_a_,
                        kBlockDepth);
      return;
    }
    const int64_t p = first_unit * kDepth;
    for (int64_t i = 0; i < rows; i += kRows) {
      float* to = packed_a_ + i * kBlockDepth;
      for (int64_t row = 0; row < kRows; ++row, to += kBlockDepth) {
        const Element* from = a_ + (first_row + i + row) * args_.a_stride + p;
        pack_row(from, i + row < rows ? args_.k - p : 0, depth, to);
      }
    }
  }

  // `depth` units of a row of which `elements` are there.
  static void pack_row(const Element* from, int64_t elements, int64_t depth, float* to) {
    constexpr int64_t kWhole = kWidth * kDepth;
    int64_t u = 0;
    for (; u < depth && elements >= kWhole; u += kWidth, from += kWhole, elements -= kWhole) {
      Math::store_units(to + u, Math::along_k(from, kWhole), kWidth);
    }
    for (; u < depth; u += kWidth, from += kWhole, elements -= kWhole) {
      Math::store_units(to + u, elements > 0 ? Math::along_k(from, elements) : Vector::zero(),
                        kWidth);
    }
  }

  // panel[u * kColumns + j]
  void pack_b(int64_t first_column, int64_t columns, int64_t first_unit, int64_t depth) {
    if (!args_.b_transposed) {
      pack_lanes<kColumns>(b_ + first_column, args_.b_stride, columns, first_unit, depth, packed_b_,
                           stretch_);
      return;
    }
    for (int64_t j = 0; j < columns; j += kColumns) {
      for (int64_t lane = 0; lane < kColumns; lane += kWidth) {
        transpose_b(first_column + j + lane, smaller(kWidth, elements_below(columns, j + lane)),
                    first_unit, depth, packed_b_ + j * stretch_ + lane);
      }
    }
  }

  // Lanes that lie side by side, in panels of kLanes: panel[u * kLanes + lane], one panel after
  // panel_depth units of the one before.
  template <int64_t kLanes>
  void pack_lanes(const Element* from, int64_t stride, int64_t lanes, int64_t first_unit,
                  int64_t depth, float* to, int64_t panel_depth) const {
    for (int64_t u = 0; u < depth; u += kRowsAtOnce) {
      const int64_t steps = smaller(kRowsAtOnce, depth - u);
      const int64_t p = (first_unit + u) * kDepth;
      for (int64_t lane = 0; lane < lanes; lane += kLanes) {
        const Element* x = from + p * stride + lane;
        float* panel = to + lane * panel_depth + u * kLanes;
        if (lanes - lane >= kLanes) {
          pack_steps<kLanes>(x, stride, kLanes, args_.k - p, steps, panel);
        } else {
          pack_steps<kLanes>(x, stride, lanes - lane, args_.k - p, steps, panel);
        }
      }
    }
  }

  // Always inlined: most often `valid` is constant.
  template <int64_t kLanes>
  [[gnu::always_inline]] static void pack_steps(const Element* from, int64_t stride, int64_t valid,
                                                int64_t elements, int64_t steps, float* to) {
    for (int64_t u = 0; u < steps; ++u) {
#pragma GCC unroll 4
      for (int64_t lane = 0; lane < kLanes; lane += kWidth) {
        const Vector x = Math::across(from + lane, stride, elements,
                                      smaller(kWidth, elements_below(valid, lane)));
        Math::store_units(to + lane, x, smaller(kWidth, kLanes - lane));
      }
      from += kDepth * stride;
      elements -= kDepth;
      to += kLanes;
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

  void multiply(const Block& block) {
    for (int64_t j = 0; j < block.columns; j += kColumns) {
      const float* b =
          packed_b_ + j * stretch_ + (stretch_ < units_ ? 0 : block.first_unit * kColumns);
      for (int64_t i = 0; i < block.rows; i += kRows) {
        const float* a = packed_a_ + i * kBlockDepth;
        const bool first = block.first_unit == 0;
        const bool last = block.first_unit + block.depth == units_;
        // A tile that need not wait leaves nothing in the second-level cache.
        float* sums = first && last ? sums_ : sums_ + j * kBlockRows + i * kColumns;
        const Tile tile = {block.first_row + i, smaller(kRows, block.rows - i),
                           block.first_column + j, smaller(kColumns, block.columns - j)};
        if (last) fetch(tile);
        if (args_.a_transposed) {
          multiply_tile<1, kRows>(a, b, block.depth, first, sums);
        } else {
          multiply_tile<kBlockDepth, 1>(a, b, block.depth, first, sums);
        }
        if (!last) continue;
        if (args_.c_type == DType::f32) {
          finish<float>(tile, sums);
        } else {
          finish<bf16>(tile, sums);
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

  // A register tile of c.
  struct Tile {
    int64_t first_row, rows;
    int64_t first_column, columns;
  };

  template <typename T>
  T* address(const Tile& tile) const {
    return static_cast<T*>(args_.c) + tile.first_row * args_.c_stride + tile.first_column;
  }

  // Asks for the lines of c that are written after the products to come.
  void fetch(const Tile& tile) const {
    const int64_t element = dtype_size(args_.c_type);
    const std::byte* row = static_cast<const std::byte*>(args_.c) +
                           (tile.first_row * args_.c_stride + tile.first_column) * element;
    for (int64_t i = 0; i < tile.rows; ++i, row += args_.c_stride * element) {
      for (int64_t at = 0; at < tile.columns * element; at += 64) __builtin_prefetch(row + at, 1);
    }
  }

  template <typename T>
  void finish(const Tile& tile, const float* sums) {
    T* row = address<T>(tile);
    for (int64_t i = 0; i < tile.rows; ++i, row += args_.c_stride, sums += kColumns) {
#pragma GCC unroll 4
      for (int64_t j = 0; j < kColumns; j += kWidth) {
        if (j < tile.columns) {
          write(row + j, Vector::load(sums + j, typename Vector::All{}), tile.columns - j);
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

  const GemmArgs& args_;
  const Element* a_;
  const Element* b_;
  int64_t units_;          // along all of k
  int64_t stretch_;        // units of b that are packed at a time
  int64_t block_columns_;  // columns of b that are
  float* packed_a_;
  float* sums_;  // tile (i, j) at j * kBlockRows + i * kColumns
  float* packed_b_;
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
