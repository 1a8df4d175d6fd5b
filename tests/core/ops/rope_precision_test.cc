// Where published code rounds rotary angles to bf16.
#include "core/ops/rope_precision.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/ops/rope.h"
#include "core/tensor/dtype.h"

namespace cadre::ops {
namespace {

constexpr int64_t kPositions = 600;
constexpr int64_t kWidth = 64;
constexpr double kTheta = 40890.0;

double frequency(int64_t i) {
  return std::pow(kTheta, -2.0 * static_cast<double>(i) / static_cast<double>(kWidth));
}

double round8(double x) { return to_f32(to_bf16(static_cast<float>(x))); }

const float* row(const float* table, int64_t position) { return table + position * kWidth / 2; }

TEST_CASE("rope: with bf16_frequency the frequencies are rounded, positions and angles are not") {
  const RopeTable table(kPositions, kWidth, kTheta, RopePrecision::bf16_frequency);
  for (const int64_t position : {0, 1, 255, 257, 599}) {
    for (int64_t i = 0; i < kWidth / 2; ++i) {
      const double angle = static_cast<double>(position) * round8(frequency(i));
      CHECK(row(table.cosine(), position)[i] == static_cast<float>(std::cos(angle)));
      CHECK(row(table.sine(), position)[i] == static_cast<float>(std::sin(angle)));
    }
  }
}

TEST_CASE("rope: with bf16 everything is rounded, so positions above 256 lose their last bits") {
  const RopeTable table(kPositions, kWidth, kTheta, RopePrecision::bf16);
  const RopeTable exact(kPositions, kWidth, kTheta);
  double largest = 0.0;
  for (int64_t i = 0; i < kWidth / 2; ++i) {
    CHECK(row(table.cosine(), 257)[i] == row(table.cosine(), 256)[i]);
    CHECK(row(table.sine(), 515)[i] == row(table.sine(), 516)[i]);
    const double angle = round8(100.0 * round8(frequency(i)));
    CHECK(row(table.cosine(), 100)[i] == round8(std::cos(angle)));
    CHECK(row(table.sine(), 100)[i] == round8(std::sin(angle)));
    largest =
        std::fmax(largest, std::fabs(row(table.cosine(), 257)[i] - row(exact.cosine(), 257)[i]));
  }
  CHECK(largest > 0.1);
}

TEST_CASE("rope: rounded or not, a position is turned back by its inverse to within the rounding") {
  // cos^2 + sin^2 = 1 to the precision of the table: what attention relies on.
  for (const auto& [precision, bound] : {std::pair{RopePrecision::f32, 1e-6},
                                         {RopePrecision::bf16_frequency, 1e-6},
                                         {RopePrecision::bf16, 1.0 / 128}}) {
    const RopeTable table(kPositions, kWidth, kTheta, precision);
    for (int64_t at = 0; at < kPositions * kWidth / 2; ++at) {
      const double c = table.cosine()[at];
      const double s = table.sine()[at];
      REQUIRE(std::fabs(c * c + s * s - 1.0) < bound);
    }
  }
}

}  // namespace
}  // namespace cadre::ops
