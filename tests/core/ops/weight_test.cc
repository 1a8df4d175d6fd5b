#include "core/ops/weight.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "core/kernels/quantise.h"
#include "core/ops/dispatch.h"
#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

constexpr PackedFormat kFormats[] = {PackedFormat::q8_0, PackedFormat::q4_0, PackedFormat::q4_k,
                                     PackedFormat::q5_k, PackedFormat::q6_k};

// Blocks of any bits but scales that are not finite, and the values that they stand for.
struct Blocks {
  std::vector<std::byte> bytes;
  int64_t row_bytes;
  Tensor values;  // [count, rows, k]

  // In three pieces, so that tiles reach over their ends.
  std::vector<BlockRows> pieces() const {
    const auto rows = static_cast<int64_t>(bytes.size()) / row_bytes;
    const int64_t first = rows / 3 + 1;
    return {{bytes.data(), first, row_bytes},
            {bytes.data() + first * row_bytes, 1, row_bytes},
            {bytes.data() + (first + 1) * row_bytes, rows - first - 1, row_bytes}};
  }

  Blocks(PackedFormat format, int64_t count, int64_t rows, int64_t k, uint64_t seed) {
    const BlockType type = block_type(format);
    const BlockLayout layout = block_layout(type);
    row_bytes = k / layout.elements * layout.bytes;
    bytes.resize(static_cast<size_t>(count * rows * row_bytes));
    RandomStream random(seed);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random.below(256));
    const bool at_end = type == BlockType::q6_k;
    for (size_t b = 0; b < bytes.size(); b += static_cast<size_t>(layout.bytes)) {
      // The upper byte of each half: 2^-6 to 2^-5 and either sign.
      const size_t d = at_end ? b + 208 : b;
      bytes[d + 1] = static_cast<std::byte>(0x24 | (random.below(2) << 7));
      if (packed_has_minimum(format)) bytes[d + 3] = std::byte{0x24};
    }
    values = Tensor::empty({count, rows, k}, DType::f32);
    kernels::scalar_table().dequantise({bytes.data(), type, values.data<float>()},
                                       {0, static_cast<int64_t>(bytes.size()) / layout.bytes});
  }
};

TEST_CASE("pack: a product with a unit vector is the value of the block") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"), 2);
  for (const PackedFormat format : kFormats) {
    CAPTURE(block_type_name(block_type(format)));
    const int64_t k = 512;
    const Blocks blocks(format, 2, 21, k, 1);
    const Weight weight = {.dense = {},
                           .packed = pack(machine.ctx, format, 2, 21, k, blocks.pieces())};
    // Unit vectors times 127 have whole numbers as quants and a scale of 1.
    const Tensor x = Tensor::zeros({2 * k, k}, DType::f32);
    for (int64_t i = 0; i < 2 * k; ++i) x.data<float>()[i * k + i % k] = 127.0f;
    const auto offsets =
        std::make_shared<const std::vector<int64_t>>(std::vector<int64_t>{0, k, 2 * k});
    const Tensor y =
        grouped_linear(machine.ctx, linear_input(machine.ctx, x, weight), weight, offsets);
    int64_t wrong = 0;
    for (int64_t e = 0; e < 2; ++e) {
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t r = 0; r < 21; ++r) {
          const double got = y.data<float>()[(e * k + i) * 21 + r] / 127.0;
          const double want = blocks.values.data<float>()[(e * 21 + r) * k + i];
          // Minimum and product are added in another order.
          wrong += !(std::abs(got - want) <= 1e-5);
        }
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("linear: packed weights are near dense ones of the same values") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"), 2);
  const Tensor x = random_tensor({37, 256}, DType::f32, 3);
  for (const PackedFormat format : kFormats) {
    CAPTURE(block_type_name(block_type(format)));
    const Blocks blocks(format, 1, 50, 256, 2);
    const Weight dense = {.dense = blocks.values.reshape({50, 256}), .packed = {}};
    const Weight packed = {.dense = {},
                           .packed = pack(machine.ctx, format, 1, 50, 256, blocks.pieces())};
    CHECK(packed.rows() == dense.rows());
    const Tensor want = linear(machine.ctx, linear_input(machine.ctx, x, dense), dense, DType::f32);
    const Tensor got =
        linear(machine.ctx, linear_input(machine.ctx, x, packed), packed, DType::f32);
    double error = 0, size = 0;
    for (int64_t i = 0; i < want.elements(); ++i) {
      error += std::pow(double{got.data<float>()[i]} - want.data<float>()[i], 2);
      size += std::pow(double{want.data<float>()[i]}, 2);
    }
    // Rounding activations to 8 bits.
    CHECK(std::sqrt(error / size) < 0.01);
  }
}

TEST_CASE("packed linear: bits depend on neither threads, nor table, nor the rows beside") {
  const int64_t k = 512;
  const Blocks blocks(PackedFormat::q4_k, 4, 300, k, 5);
  const Tensor x = random_tensor({90, k}, DType::bf16, 6);
  const auto ends =
      std::make_shared<const std::vector<int64_t>>(std::vector<int64_t>{0, 1, 1, 60, 90});
  Tensor first;
  for (const auto* table : kernels::supported_tables(detect_cpu_features())) {
    if (table->name == "scalar") continue;
    for (const int threads : {1, 2, 3}) {
      Machine machine(*table, threads);
      const Weight weight = {
          .dense = {}, .packed = pack(machine.ctx, PackedFormat::q4_k, 4, 300, k, blocks.pieces())};
      const LinearInput input = linear_input(machine.ctx, x, weight);
      const Tensor y = grouped_linear(machine.ctx, input, weight, ends);
      if (!first.defined()) first = y;
      CHECK(same_bits(first, y));
      // Row 7 of expert 2 alone.
      const Tensor row = x.slice(8, 9);
      const auto alone =
          std::make_shared<const std::vector<int64_t>>(std::vector<int64_t>{0, 0, 0, 1, 1});
      const Tensor z =
          grouped_linear(machine.ctx, linear_input(machine.ctx, row, weight), weight, alone);
      CHECK(same_bits(y.slice(8, 9), z));
      // Gathered rows are quantised rows.
      DispatchPlan plan;
      plan.source = {5, 5, 89};
      const LinearInput gathered =
          permute(machine.ctx, input, std::make_shared<const DispatchPlan>(plan));
      CHECK(same_bits(gathered.quants.slice(1, 2), input.quants.slice(5, 6)));
      CHECK(same_bits(gathered.minimums.slice(2, 3), input.minimums.slice(89, 90)));
    }
  }
}

}  // namespace
}  // namespace cadre::ops
