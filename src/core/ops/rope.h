// Rotary position embedding; the formula stands in core/kernels/rope.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/ops/context.h"
#include "core/ops/rope_precision.h"
#include "core/tensor/pool_vector.h"

namespace cadre::ops {

// theta^(-2i/rotary_dim) for i below rotary_dim / 2: radians that pair i turns by from one position
// to the next. rotary_dim is even and >= 2.
std::vector<double> rope_frequencies(int64_t rotary_dim, double theta);

// cos and sin of position * frequency, computed in f64, but for what `precision` rounds, and kept
// in f32.
class RopeTable {
 public:
  RopeTable(int64_t max_positions, int64_t rotary_dim, double theta,
            RopePrecision precision = RopePrecision::f32)
      : RopeTable(max_positions, rope_frequencies(rotary_dim, theta), precision) {}
  // One frequency for each pair of rotary_dim = 2 * frequencies.size() elements.
  RopeTable(int64_t max_positions, const std::vector<double>& frequencies,
            RopePrecision precision = RopePrecision::f32);
  // One row for each of the given positions, which may lie beyond the table, with the bits that a
  // table as long as that would have: position i of the result stands for positions[i].
  RopeTable at(std::span<const int32_t> positions, const PoolAllocator<float>& memory = {}) const;

  int64_t max_positions() const { return max_positions_; }
  int64_t rotary_dim() const { return rotary_dim_; }
  const float* cosine() const { return cosine_.data(); }
  const float* sine() const { return sine_.data(); }

 private:
  RopeTable(std::shared_ptr<const std::vector<double>> frequencies, RopePrecision precision,
            int64_t rows, const PoolAllocator<float>& memory);
  // Fills a row.
  void turn(int64_t row, int64_t position);

  int64_t max_positions_;
  int64_t rotary_dim_;
  RopePrecision precision_;
  std::shared_ptr<const std::vector<double>> frequencies_;
  PoolVector<float> cosine_;  // [max_positions, rotary_dim / 2]
  PoolVector<float> sine_;
};

using Positions = std::shared_ptr<const std::vector<int32_t>>;  // [N]

// x is [N, H * Dh] in f32 or bf16; the result is a new tensor of the same kind. Throws
// Error(invalid_input) for a position outside the table.
Tensor rope(Context& ctx, const Tensor& x, int64_t num_heads, const Positions& positions,
            const std::shared_ptr<const RopeTable>& table);
// The same with what is the caller's own. Not recorded: throws Error(internal) if there is a tape.
Tensor rope(Context& ctx, const Tensor& x, int64_t num_heads, std::span<const int32_t> positions,
            const RopeTable& table);

}  // namespace cadre::ops
