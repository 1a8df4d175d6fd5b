#include "core/tensor/blocks.h"

#include <doctest/doctest.h>

#include "core/tensor/shape.h"
#include "tests/expect_error.h"

namespace cadre {
namespace {

TEST_CASE("block types: names are read as they are written") {
  for (const BlockType type :
       {BlockType::q4_0, BlockType::q4_1, BlockType::q5_0, BlockType::q5_1, BlockType::q8_0,
        BlockType::q2_k, BlockType::q3_k, BlockType::q4_k, BlockType::q5_k, BlockType::q6_k}) {
    CHECK(block_type_from_name(block_type_name(type)) == type);
  }
  CHECK(!block_type_from_name("f32"));
}

TEST_CASE("block types: a shape takes whole blocks in every row") {
  CHECK(block_bytes(BlockType::q8_0, {3, 64}) == 3 * 2 * 34);
  CHECK(block_bytes(BlockType::q4_k, {2, 5, 512}) == 10 * 2 * 144);
  CHECK(block_bytes(BlockType::q6_k, {0, 256}) == 0);
  // 64 values, but half a block in each row.
  const std::string rows = error_of(ErrorKind::invalid_input, [] {
    block_bytes(BlockType::q8_0, {4, 16});
  });
  CHECK(contains(rows, "[4, 16] has rows of 16, expected a multiple of 32 for q8_0"));
  const std::string size = error_of(ErrorKind::invalid_input, [] {
    block_bytes(BlockType::q8_0, {(int64_t{1} << 58) - 1, 32});
  });
  CHECK(contains(size, "more than 2^63 bytes"));
}

}  // namespace
}  // namespace cadre
