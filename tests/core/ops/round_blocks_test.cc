#include "core/kernels/round_blocks.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/random.h"
#include "core/kernels/table.h"
#include "core/ops/blocks.h"
#include "tests/model/machine.h"

namespace cadre {
namespace {

constexpr BlockType kTypes[] = {BlockType::q4_0, BlockType::q4_1, BlockType::q5_0, BlockType::q5_1,
                                BlockType::q8_0, BlockType::q2_k, BlockType::q3_k, BlockType::q4_k,
                                BlockType::q5_k, BlockType::q6_k};

// Normal values with a few that stick out.
std::vector<float> some_weights(int64_t count, uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(0.02 * random.normal() * (i % 97 == 0 ? 5.0 : 1.0)));
  }
  return values;
}

std::vector<float> some_importance(int64_t count, uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(std::exp(4.0f * random.uniform() - 2.0f)));
  }
  return values;
}

std::vector<float> values_of(const std::vector<std::byte>& blocks, BlockType type, size_t count) {
  std::vector<float> y(count);
  const int64_t n = static_cast<int64_t>(count) / block_layout(type).elements;
  kernels::scalar_table().dequantise({blocks.data(), type, y.data()}, {0, n});
  return y;
}

std::vector<std::byte> rounded(const kernels::KernelTable& table, BlockType type,
                               const std::vector<float>& x, const float* importance,
                               int64_t width) {
  const auto count = static_cast<int64_t>(x.size()) / block_layout(type).elements;
  std::vector<std::byte> blocks(static_cast<size_t>(count * block_layout(type).bytes));
  table.round_blocks({.x = x.data(),
                      .importance = importance,
                      .first_column = 0,
                      .width = width,
                      .blocks = blocks.data(),
                      .type = type},
                     {0, count});
  return blocks;
}

double error_of(const std::vector<float>& x, const std::vector<float>& y, const float* importance,
                int64_t width) {
  double sum = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double w = importance == nullptr ? 1.0 : importance[static_cast<int64_t>(i) % width];
    sum += w * (x[i] - y[i]) * (x[i] - y[i]);
  }
  return sum;
}

TEST_CASE("round_blocks: a written block says what its codes say") {
  RandomStream random(3);
  for (const BlockType type : kTypes) {
    CAPTURE(block_type_name(type));
    const bool affine =
        type == BlockType::q2_k || type == BlockType::q4_k || type == BlockType::q5_k;
    const bool adds = type == BlockType::q4_1 || type == BlockType::q5_1;
    const bool symmetric = type == BlockType::q3_k || type == BlockType::q6_k;
    const int bits = type == BlockType::q2_k   ? 2
                     : type == BlockType::q3_k ? 3
                     : type == BlockType::q6_k ? 6
                     : type == BlockType::q5_0 || type == BlockType::q5_1 || type == BlockType::q5_k
                         ? 5
                         : 4;
    const int offset = type == BlockType::q8_0 || affine || adds ? 0 : 1 << (bits - 1);
    const int part = type == BlockType::q4_k || type == BlockType::q5_k ? 32 : 16;
    const int levels = type == BlockType::q2_k ? 16 : 64;
    kernels::BlockCodes codes = {};
    codes.scale = kernels::nearest_f16(0.0123f);
    codes.minimum = affine || adds ? kernels::nearest_f16(0.0456f) : 0.0f;
    const auto below = [&](int n) {
      return static_cast<int>(random.below(static_cast<uint64_t>(n)));
    };
    for (int j = 0; j < 16; ++j) {
      codes.part_scale[j] = affine ? below(levels) : symmetric ? below(64) - 32 : 1;
      codes.part_minimum[j] = affine ? below(levels) : 1;
    }
    for (int& q : codes.quants) q = type == BlockType::q8_0 ? below(256) - 128 : below(1 << bits);
    std::vector<std::byte> block(static_cast<size_t>(block_layout(type).bytes));
    kernels::write_block(type, codes, reinterpret_cast<uint8_t*>(block.data()));
    const auto count = static_cast<size_t>(block_layout(type).elements);
    const std::vector<float> y = values_of(block, type, count);
    for (size_t i = 0; i < count; ++i) {
      const size_t j = count == 32 ? 0 : i / static_cast<size_t>(part);
      const float scaled = codes.scale * static_cast<float>(codes.part_scale[j]) *
                           static_cast<float>(codes.quants[i] - offset);
      const float minimum = codes.minimum * static_cast<float>(codes.part_minimum[j]);
      CHECK(y[i] == (adds ? scaled + minimum : scaled - minimum));
    }
  }
}

TEST_CASE("round_blocks: every table gives the same bits, with importance and without") {
  const std::vector<float> x = some_weights(2048, 5);
  const std::vector<float> importance = some_importance(512, 6);
  for (const BlockType type : kTypes) {
    CAPTURE(block_type_name(type));
    for (const float* weights : {static_cast<const float*>(nullptr), importance.data()}) {
      const auto expected = rounded(kernels::scalar_table(), type, x, weights, 512);
      for (const auto* table : kernels::supported_tables(detect_cpu_features())) {
        CAPTURE(table->name);
        CHECK(rounded(*table, type, x, weights, 512) == expected);
      }
    }
  }
}

TEST_CASE("round_blocks: errors are at most those of plain rounding, and fall with bits") {
  const std::vector<float> x = some_weights(8192, 7);
  const auto& table = kernels::choose_table(detect_cpu_features(), "auto");
  const auto error = [&](BlockType type) {
    return error_of(x, values_of(rounded(table, type, x, nullptr, 512), type, x.size()), nullptr,
                    512);
  };
  for (const BlockType type : {BlockType::q8_0, BlockType::q4_0}) {
    std::vector<std::byte> plain(static_cast<size_t>(8192 / 32 * block_layout(type).bytes));
    table.quantise({x.data(), plain.data(), type}, {0, 8192 / 32});
    CHECK(error(type) < error_of(x, values_of(plain, type, x.size()), nullptr, 512));
  }
  CHECK(error(BlockType::q3_k) < error(BlockType::q2_k));
  CHECK(error(BlockType::q4_k) < error(BlockType::q3_k));
  CHECK(error(BlockType::q4_k) < error(BlockType::q4_0));
  CHECK(error(BlockType::q5_k) < error(BlockType::q4_k));
  CHECK(error(BlockType::q6_k) < error(BlockType::q5_k));
  CHECK(error(BlockType::q8_0) < error(BlockType::q6_k));
}

TEST_CASE("round_blocks: importance moves the error to where it matters less") {
  const std::vector<float> x = some_weights(16384, 8);
  const std::vector<float> importance = some_importance(512, 9);
  const auto& table = kernels::choose_table(detect_cpu_features(), "auto");
  for (const BlockType type : kTypes) {
    CAPTURE(block_type_name(type));
    const auto plain = values_of(rounded(table, type, x, nullptr, 512), type, x.size());
    const auto weighted =
        values_of(rounded(table, type, x, importance.data(), 512), type, x.size());
    CHECK(error_of(x, weighted, importance.data(), 512) <
          error_of(x, plain, importance.data(), 512));
    CHECK(error_of(x, plain, nullptr, 512) < error_of(x, weighted, nullptr, 512));
  }
}

TEST_CASE("round_blocks: values that a format holds come back") {
  const auto& table = kernels::choose_table(detect_cpu_features(), "auto");
  for (const BlockType type : kTypes) {
    CAPTURE(block_type_name(type));
    for (const float value : {0.0f, 1.0f, -1.0f, -0.375f}) {
      const std::vector<float> x(256, value);
      const auto y = values_of(rounded(table, type, x, nullptr, 256), type, 256);
      for (const float found : y) CHECK(found == doctest::Approx(value).epsilon(2e-3));
    }
  }
}

TEST_CASE(
    "round_blocks: what is not finite, huge, tiny or without importance ends in some integer") {
  const auto tables = kernels::supported_tables(detect_cpu_features());
  const std::vector<float> nothing(256, 0.0f);
  for (const BlockType type : kTypes) {
    CAPTURE(block_type_name(type));
    for (const float first : {NAN, INFINITY, -INFINITY, 3e38f, 1e-44f, 1e-30f}) {
      std::vector<float> x = some_weights(256, 1);
      x[3] = first;
      for (const float* weights : {static_cast<const float*>(nullptr), nothing.data()}) {
        const auto expected = rounded(*tables.front(), type, x, weights, 256);
        for (const auto* table : tables) CHECK(rounded(*table, type, x, weights, 256) == expected);
      }
    }
  }
}

TEST_CASE("round_blocks: threads and pieces change nothing") {
  const std::vector<float> x = some_weights(4 * 1024, 2);
  const std::vector<float> importance = some_importance(1024, 3);
  const BlockType type = BlockType::q4_k;
  Machine one(1);
  Machine three(3);
  const auto bytes = static_cast<size_t>(16 * block_layout(type).bytes);
  std::vector<std::byte> whole(bytes);
  std::vector<std::byte> pieces(bytes);
  ops::round_blocks(one.ctx, x, type, {.width = 1024, .importance = importance}, whole);
  const size_t cut = 5;
  const size_t cut_bytes = cut * static_cast<size_t>(block_layout(type).bytes);
  ops::round_blocks(three.ctx, std::span(x).first(cut * 256), type,
                    {.width = 1024, .importance = importance}, std::span(pieces).first(cut_bytes));
  ops::round_blocks(three.ctx, std::span(x).subspan(cut * 256), type,
                    {.width = 1024, .first_column = 256, .importance = importance},
                    std::span(pieces).subspan(cut_bytes));
  CHECK(whole == pieces);
}

}  // namespace
}  // namespace cadre
