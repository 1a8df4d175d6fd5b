#include "core/ops/weight.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/kernels/quantise.h"
#include "core/ops/dispatch.h"
#include "core/ops/elementwise.h"
#include "core/ops/swiglu.h"
#include "core/ops/swiglu_input.h"
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
    const std::vector<int64_t> offsets = {0, k, 2 * k};
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
  const std::vector<int64_t> ends = {0, 1, 1, 60, 90};
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
      const std::vector<int64_t> alone = {0, 0, 0, 1, 1};
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

TEST_CASE("grouped_linear: matrices in any slots of a stack give the bits of matrices in order") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"), 2);
  Context& ctx = machine.ctx;
  const int64_t k = 256, rows = 40, count = 5;
  const Blocks blocks(PackedFormat::q8_0, count, rows, k, 7);
  const Weight packed = {.dense = {},
                         .packed = pack(ctx, PackedFormat::q8_0, count, rows, k, blocks.pieces())};
  const Weight dense = {.dense = blocks.values, .packed = {}};
  const Tensor x = random_tensor({30, k}, DType::f32, 8);
  const std::vector<int64_t> ends = {0, 3, 3, 11, 12, 30};
  // Experts 4, 2, 0 of the five, and what their rows make of them.
  const std::vector<int64_t> chosen = {4, 2, 0};
  const auto slots = std::make_shared<const std::vector<int64_t>>(std::vector<int64_t>{1, 3, 0});
  Weight some_packed = {
      .dense = {}, .packed = empty_packed(ctx, PackedFormat::q8_0, 4, rows, k), .slots = slots};
  Weight some_dense = {.dense = ctx.empty({4, rows, k}, DType::f32), .packed = {}, .slots = slots};
  std::vector<int64_t> some_ends = {0};
  const Tensor some_x = ctx.empty({18 + 8 + 3, k}, DType::f32);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const int64_t e = chosen[i];
    const int64_t slot = (*slots)[i];
    const int64_t bytes = rows * blocks.row_bytes;
    const BlockRows piece = {blocks.bytes.data() + e * bytes, rows, blocks.row_bytes};
    if (i % 2 == 0) {
      pack_into(ctx, some_packed.packed, {slot, slot + 1}, {&piece, 1});
    } else {
      // The values of q8_0 blocks with their own scales do not always round to the same blocks, so
      // the matrix is copied.
      std::memcpy(some_packed.packed.tile(slot, 0), packed.packed.tile(e, 0),
                  static_cast<size_t>(packed.matrix_bytes()));
    }
    std::memcpy(some_dense.dense.slice(slot, slot + 1).raw(), blocks.values.slice(e, e + 1).raw(),
                static_cast<size_t>(dense.matrix_bytes()));
    const auto at = static_cast<size_t>(e);
    const int64_t own = ends[at + 1] - ends[at];
    const int64_t begin = some_ends.back();
    std::memcpy(some_x.slice(begin, begin + own).raw(), x.slice(ends[at], ends[at + 1]).raw(),
                static_cast<size_t>(own * k * 4));
    some_ends.push_back(begin + own);
  }
  CHECK(some_packed.count() == 3);
  CHECK(some_dense.matrix_bytes() == rows * k * 4);
  CHECK(some_packed.bytes() == 4 * some_packed.matrix_bytes());
  for (const bool is_packed : {true, false}) {
    CAPTURE(is_packed);
    const Weight& whole = is_packed ? packed : dense;
    const Weight& some = is_packed ? some_packed : some_dense;
    const Tensor want = grouped_linear(ctx, linear_input(ctx, x, whole), whole, ends);
    const Tensor got = grouped_linear(ctx, linear_input(ctx, some_x, some), some, some_ends);
    for (size_t i = 0; i < chosen.size(); ++i) {
      const auto at = static_cast<size_t>(chosen[i]);
      CHECK(
          same_bits(got.slice(some_ends[i], some_ends[i + 1]), want.slice(ends[at], ends[at + 1])));
    }
    Weight wrong = some;
    wrong.slots = std::make_shared<const std::vector<int64_t>>(std::vector<int64_t>{1, 4, 0});
    CHECK_THROWS_AS(grouped_linear(ctx, linear_input(ctx, some_x, wrong), wrong, some_ends), Error);
  }
}

TEST_CASE("pack_values_into: a matrix among others is that of a stack of one") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"), 2);
  Context& ctx = machine.ctx;
  const Tensor values = random_tensor({37, 128}, DType::f32, 9);
  const auto read = [&](Range rows, float* to) {
    std::memcpy(to, values.data<float>() + rows.begin * 128,
                static_cast<size_t>(rows.size() * 128 * 4));
  };
  const PackedMatrix alone = pack_values(ctx, PackedFormat::q4_0, 1, 37, 128, read);
  const PackedMatrix stack = empty_packed(ctx, PackedFormat::q4_0, 3, 37, 128);
  pack_values_into(ctx, stack, {1, 2}, read);
  CHECK(std::memcmp(alone.tile(0, 0), stack.tile(1, 0),
                    static_cast<size_t>(alone.matrix_bytes())) == 0);
}

TEST_CASE("swiglu_input: activating and rounding at once gives the bits of both steps") {
  for (const kernels::KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    Machine machine(*table, 3);
    Context& ctx = machine.ctx;
    for (const DType type : {DType::f32, DType::bf16}) {
      for (const int64_t n : {int64_t{1}, int64_t{8}, int64_t{131}}) {
        CAPTURE(n);
        const int64_t k = 288;
        const Weight weight = {.dense = {},
                               .packed = empty_packed(ctx, PackedFormat::q8_0, 1, 5, k)};
        const Tensor gate_up = cast(ctx, random_tensor({n, 2 * k}, DType::f32, 3), type);
        const LinearInput expected = linear_input(ctx, swiglu(ctx, gate_up), weight);
        const LinearInput found = swiglu_input(ctx, gate_up, weight, type);
        CHECK(same_bits(found.quants, expected.quants));
        CHECK(same_bits(found.scales, expected.scales));
        CHECK(same_bits(found.sums, expected.sums));
        CHECK(same_bits(found.minimums, expected.minimums));
      }
    }
  }
}

}  // namespace
}  // namespace cadre::ops
