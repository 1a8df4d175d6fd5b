#include "core/ops/attention_router.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

// The definition for one token in f64.
std::vector<double> definition(const std::vector<double>& qkv, size_t experts) {
  std::vector<double> p;
  for (size_t i = 0; i < experts; ++i) {
    double sum = 0, weighted = 0, top = -INFINITY;
    for (size_t j = 0; j < experts; ++j) top = std::max(top, qkv[i] * qkv[experts + j]);
    for (size_t j = 0; j < experts; ++j) {
      const double weight = std::exp(qkv[i] * qkv[experts + j] - top);
      sum += weight;
      weighted += weight * qkv[2 * experts + j];
    }
    p.push_back(weighted / sum);
  }
  return p;
}

TEST_CASE("attention_router: every table computes the definition, large products included") {
  for (const kernels::KernelTable* table : supported_tables()) {
    Machine machine(*table);
    for (const int64_t experts : {1, 2, 5, 32, 33}) {
      for (const double scale : {1.0, 30.0}) {
        CAPTURE(table->name);
        CAPTURE(experts);
        CAPTURE(scale);
        const Tensor qkv = random_tensor({4, 3 * experts}, DType::f32, 7, scale);
        const std::vector<double> found = values_of(attention_router(machine.ctx, qkv));
        const std::vector<double> all = values_of(qkv);
        for (size_t n = 0; n < 4; ++n) {
          const auto width = static_cast<size_t>(experts);
          const std::vector<double> row(all.begin() + static_cast<int64_t>(n * 3 * width),
                                        all.begin() + static_cast<int64_t>((n + 1) * 3 * width));
          const std::vector<double> expected = definition(row, width);
          for (size_t i = 0; i < width; ++i) {
            // Products of up to a few thousand are rounded to 2^-12 before the exponential.
            CHECK(std::abs(found[n * width + i] - expected[i]) < (scale == 1.0 ? 2e-6 : 5e-2));
          }
        }
      }
    }
  }
}

TEST_CASE(
    "attention_router: a constant added to all keys changes nothing, one added to all values "
    "shifts the logits by it") {
  Machine machine;
  constexpr int64_t kExperts = 8;
  const Tensor qkv = random_tensor({6, 3 * kExperts}, DType::f32, 3);
  const std::vector<double> plain = values_of(attention_router(machine.ctx, qkv));
  for (const int64_t part : {1, 2}) {
    const Tensor moved =
        tensor_of({qkv.span<float>().begin(), qkv.span<float>().end()}, qkv.shape());
    for (int64_t n = 0; n < 6; ++n) {
      for (int64_t e = 0; e < kExperts; ++e) {
        moved.data<float>()[n * 3 * kExperts + part * kExperts + e] += 0.75f;
      }
    }
    const std::vector<double> found = values_of(attention_router(machine.ctx, moved));
    for (size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i] == doctest::Approx(plain[i] + (part == 2 ? 0.75 : 0.0)).epsilon(1e-5));
    }
  }
}

TEST_CASE("attention_router: a width that is not three times the experts is refused") {
  Machine machine;
  CHECK_THROWS_AS(attention_router(machine.ctx, random_tensor({2, 8}, DType::f32, 1)), Error);
  CHECK_THROWS_AS(attention_router(machine.ctx, random_tensor({2, 9}, DType::bf16, 1)), Error);
}

}  // namespace
}  // namespace cadre::ops
