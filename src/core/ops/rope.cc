#include "core/ops/rope.h"

#include <cmath>

#include "core/ops/check.h"

namespace cadre::ops {

std::vector<double> rope_frequencies(int64_t rotary_dim, double theta) {
  if (rotary_dim < 2 || rotary_dim % 2 != 0 || !(theta > 0)) {
    fail(ErrorKind::invalid_input, "rope: rotary_dim {}, theta {}; expected even, positive",
         rotary_dim, theta);
  }
  std::vector<double> frequencies;
  for (int64_t i = 0; i < rotary_dim / 2; ++i) {
    frequencies.push_back(
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(rotary_dim)));
  }
  return frequencies;
}

namespace {

double round_to_bf16(double x) { return to_f32(to_bf16(static_cast<float>(x))); }

}  // namespace

RopeTable::RopeTable(std::shared_ptr<const std::vector<double>> frequencies,
                     RopePrecision precision, int64_t rows, const PoolAllocator<float>& memory)
    : max_positions_(rows),
      rotary_dim_(2 * static_cast<int64_t>(frequencies->size())),
      precision_(precision),
      frequencies_(std::move(frequencies)),
      cosine_(memory),
      sine_(memory) {
  if (rows < 1 || frequencies_->empty()) {
    fail(ErrorKind::invalid_input,
         "rope: {} positions and {} frequencies, expected at least one of each", rows,
         frequencies_->size());
  }
  cosine_.resize(static_cast<size_t>(Shape{rows, rotary_dim_ / 2}.elements()));
  sine_.resize(cosine_.size());
}

RopeTable::RopeTable(int64_t max_positions, const std::vector<double>& frequencies,
                     RopePrecision precision)
    : RopeTable(std::make_shared<const std::vector<double>>(frequencies), precision, max_positions,
                {}) {
  for (int64_t position = 0; position < max_positions; ++position) turn(position, position);
}

void RopeTable::turn(int64_t row, int64_t position) {
  // `rounded` is for what the published code of some models keeps in bf16.
  const bool all = precision_ == RopePrecision::bf16;
  const auto rounded = [](bool wanted, double x) { return wanted ? round_to_bf16(x) : x; };
  const int64_t half = rotary_dim_ / 2;
  for (int64_t i = 0; i < half; ++i) {
    const double frequency =
        rounded(precision_ != RopePrecision::f32, (*frequencies_)[static_cast<size_t>(i)]);
    const double angle = rounded(all, rounded(all, static_cast<double>(position)) * frequency);
    const auto at = static_cast<size_t>(row * half + i);
    cosine_[at] = static_cast<float>(rounded(all, std::cos(angle)));
    sine_[at] = static_cast<float>(rounded(all, std::sin(angle)));
  }
}

RopeTable RopeTable::at(std::span<const int32_t> positions,
                        const PoolAllocator<float>& memory) const {
  RopeTable rows(frequencies_, precision_, std::ssize(positions), memory);
  for (size_t row = 0; row < positions.size(); ++row) {
    rows.turn(static_cast<int64_t>(row), positions[row]);
  }
  return rows;
}

namespace {

// y may be the memory of x.
void turn(Context& ctx, const Tensor& x, const Tensor& y, int64_t num_heads,
          std::span<const int32_t> positions, const RopeTable& table, bool inverse) {
  const kernels::RopeArgs args = {.x = x.raw(),
                                  .y = y.raw(),
                                  .type = x.dtype(),
                                  .positions = positions.data(),
                                  .cosine = table.cosine(),
                                  .sine = table.sine(),
                                  .num_heads = num_heads,
                                  .head_dim = x.dim(1) / num_heads,
                                  .rotary_dim = table.rotary_dim(),
                                  .inverse = inverse};
  ctx.for_rows(x.dim(0), 2 * x.dim(1) * dtype_size(x.dtype()),
               [&](Range rows) { ctx.kernels().rope(args, rows); });
}

Tensor turned(Context& ctx, const Tensor& x, int64_t num_heads, std::span<const int32_t> positions,
              const RopeTable& table) {
  expect_activation(x, "rope: x");
  expect_rank(x, 2, "rope: x");
  if (num_heads < 1 || x.dim(1) % num_heads != 0 || x.dim(1) / num_heads < table.rotary_dim()) {
    fail(ErrorKind::invalid_input, "rope: x is {}, expected {} heads of at least {}",
         to_string(x.shape()), num_heads, table.rotary_dim());
  }
  if (std::ssize(positions) != x.dim(0)) {
    fail(ErrorKind::invalid_input, "rope: {} positions for {} rows", positions.size(), x.dim(0));
  }
  for (const int32_t position : positions) {
    if (position < 0 || position >= table.max_positions()) {
      fail(ErrorKind::invalid_input, "rope: position {}, expected 0 to {}", position,
           table.max_positions() - 1);
    }
  }
  const Tensor y = ctx.empty_like(x);
  turn(ctx, x, y, num_heads, positions, table, /*inverse=*/false);
  return y;
}

}  // namespace

Tensor rope(Context& ctx, const Tensor& x, int64_t num_heads, std::span<const int32_t> positions,
            const RopeTable& table) {
  CADRE_CHECK(!ctx.recording());
  return turned(ctx, x, num_heads, positions, table);
}

Tensor rope(Context& ctx, const Tensor& x, int64_t num_heads, const Positions& positions,
            const std::shared_ptr<const RopeTable>& table) {
  const Tensor y = turned(ctx, x, num_heads, *positions, *table);
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(x)) {
    tape->record(y, [=, x = TensorKey(x)](Context& c, const Tensor& dy) {
      turn(c, dy, dy, num_heads, *positions, *table, /*inverse=*/true);
      tape->contribute(c, x, dy);
    });
  }
  return y;
}

}  // namespace cadre::ops
