#include "core/tensor/shape.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "tests/expect_error.h"

namespace cadre {

TEST_CASE("shape: extents count from both ends") {
  const Shape shape{2, 3, 5};
  CHECK(shape.rank() == 3);
  CHECK(shape.elements() == 30);
  CHECK(shape.dim(0) == 2);
  CHECK(shape.dim(-1) == 5);
  CHECK(shape.dim(-3) == 2);
  CHECK(to_string(shape) == "[2, 3, 5]");
  error_of(ErrorKind::internal, [&] { shape.dim(3); });
  error_of(ErrorKind::internal, [&] { shape.dim(-4); });
}

TEST_CASE("shape: a scalar has one element, an extent of 0 none") {
  CHECK(Shape().elements() == 1);
  CHECK(to_string(Shape()) == "[]");
  CHECK(Shape{4, 0, 2}.elements() == 0);
}

TEST_CASE("shape: equality is of rank and extents") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{6} == Shape{6, 1});
}

TEST_CASE("shape: negative extents, too many and products beyond 64 bits are refused") {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  const std::vector<std::vector<int64_t>> refused = {
      {-1}, {2, -3}, {kHuge, 2}, {int64_t{1} << 32, int64_t{1} << 31}, {1, 1, 1, 1, 1, 1, 1}};
  for (const std::vector<int64_t>& extents : refused) {
    error_of(ErrorKind::invalid_input, [&] { Shape(std::span<const int64_t>(extents)); });
  }
  CHECK(Shape{kHuge}.elements() == kHuge);
}

}  // namespace cadre
