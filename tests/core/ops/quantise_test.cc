#include "core/kernels/quantise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "core/kernels/table.h"
#include "core/tensor/tensor.h"

namespace cadre {
namespace {

constexpr BlockType kTypes[] = {BlockType::q4_0, BlockType::q4_1, BlockType::q5_0, BlockType::q5_1,
                                BlockType::q8_0, BlockType::q2_k, BlockType::q3_k, BlockType::q4_k,
                                BlockType::q5_k, BlockType::q6_k};

std::shared_ptr<const io::SafetensorsFile> golden() {
  return io::SafetensorsFile::open("tests/golden/gguf/blocks.safetensors");
}

bool same_bytes(const void* a, const Tensor& b) {
  return std::memcmp(a, b.raw(), static_cast<size_t>(b.bytes())) == 0;
}

TEST_CASE("quantised blocks: every type has the values that the gguf package computes") {
  const auto file = golden();
  for (const auto* table : kernels::supported_tables(detect_cpu_features())) {
    for (const BlockType type : kTypes) {
      CAPTURE(block_type_name(type));
      const Tensor blocks = file->tensor(std::string(block_type_name(type)) + ".blocks");
      const Tensor values = file->tensor(std::string(block_type_name(type)) + ".values");
      REQUIRE(blocks.dim(1) == block_layout(type).bytes);
      REQUIRE(values.dim(1) == block_layout(type).elements);
      std::vector<float> y(static_cast<size_t>(values.elements()), -1.0f);
      // In two ranges, so that a range that is not the whole is seen to land in its place.
      table->dequantise({blocks.raw(), type, y.data()}, {1, blocks.dim(0)});
      CHECK(y.front() == -1.0f);
      table->dequantise({blocks.raw(), type, y.data()}, {0, 1});
      CHECK(same_bytes(y.data(), values));
    }
  }
}

TEST_CASE("quantised blocks: rounding is that of the gguf package") {
  const auto file = golden();
  for (const auto* table : kernels::supported_tables(detect_cpu_features())) {
    for (const BlockType type : {BlockType::q8_0, BlockType::q4_0}) {
      CAPTURE(block_type_name(type));
      REQUIRE(kernels::can_quantise(type));
      const Tensor input = file->tensor(std::string(block_type_name(type)) + ".input");
      const Tensor expected = file->tensor(std::string(block_type_name(type)) + ".quantised");
      std::vector<std::byte> blocks(static_cast<size_t>(expected.bytes()));
      table->quantise({input.data<float>(), blocks.data(), type}, {0, input.dim(0)});
      CHECK(same_bytes(blocks.data(), expected));
    }
  }
}

TEST_CASE("quantised blocks: values that cannot be rounded end in some integer") {
  std::vector<float> x(32, 1.0f);
  x[3] = NAN;
  x[20] = 1e-42f;
  for (const float first : {INFINITY, -INFINITY, 1e-44f, 3e38f}) {
    x[0] = first;
    for (const BlockType type : {BlockType::q8_0, BlockType::q4_0}) {
      std::byte block[64] = {};
      kernels::scalar_table().quantise({x.data(), block, type}, {0, 1});
      CHECK(block[block_layout(type).bytes] == std::byte{0});
    }
  }
}

}  // namespace
}  // namespace cadre
