#include "data/permutation.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

namespace cadre::data {

TEST_CASE("permutation: every index once, for every size") {
  for (int64_t size = 1; size <= 300; ++size) {
    const Permutation permutation(size, 7);
    std::vector<bool> seen(static_cast<size_t>(size));
    for (int64_t i = 0; i < size; ++i) {
      const int64_t to = permutation(i);
      REQUIRE(to >= 0);
      REQUIRE(to < size);
      CHECK_FALSE(seen[static_cast<size_t>(to)]);
      seen[static_cast<size_t>(to)] = true;
    }
  }
}

TEST_CASE("permutation: large sizes stay within bounds") {
  for (const int64_t size : {(int64_t{1} << 40) + 1, int64_t{1} << 41, int64_t{999999999989}}) {
    const Permutation permutation(size, 3);
    for (int64_t i = 0; i < 1000; ++i) {
      const int64_t to = permutation(size - 1 - i);
      CHECK(to >= 0);
      CHECK(to < size);
    }
  }
}

TEST_CASE("permutation: keys give different orders, and order is far from sorted") {
  const int64_t size = 1000;
  const Permutation a(size, 1);
  const Permutation b(size, 2);
  int64_t equal = 0;
  int64_t ascents = 0;
  for (int64_t i = 0; i < size; ++i) {
    equal += a(i) == b(i) ? 1 : 0;
    ascents += i > 0 && a(i) > a(i - 1) ? 1 : 0;
  }
  CHECK(equal < 10);     // one is expected by chance
  CHECK(ascents > 400);  // about a half
  CHECK(ascents < 600);
}

TEST_CASE("permutation: where an index goes is spread evenly over keys") {
  std::vector<int> hits(5);
  for (uint64_t key = 0; key < 5000; ++key) ++hits[static_cast<size_t>(Permutation(5, key)(0))];
  for (const int count : hits) {
    CHECK(count > 850);
    CHECK(count < 1150);
  }
}

}  // namespace cadre::data
