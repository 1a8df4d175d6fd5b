#include "core/tensor/pool_vector.h"

#include <doctest/doctest.h>

#include <numeric>

#include "core/tensor/tensor.h"

namespace cadre {

TEST_CASE("pool vector: its memory comes from the allocator and goes back to it") {
  const auto allocator = Allocator::create();
  int64_t held = 0;
  for (int round = 0; round < 3; ++round) {
    PoolVector<int64_t> numbers(*allocator);
    for (int64_t i = 0; i < 1000; ++i) numbers.push_back(i);
    CHECK(std::accumulate(numbers.begin(), numbers.end(), int64_t{0}) == 499500);
    CHECK(reinterpret_cast<uintptr_t>(numbers.data()) % 64 == 0);
    CHECK(allocator->used_bytes() >= 8000);
    if (round == 0) held = allocator->held_bytes();
    CHECK(allocator->held_bytes() == held);
  }
  CHECK(allocator->used_bytes() == 0);
}

TEST_CASE("pool vector: one that is moved takes its memory along, a copy has its own") {
  const auto allocator = Allocator::create();
  PoolVector<int32_t> first({1, 2, 3}, *allocator);
  const int32_t* place = first.data();
  const PoolVector<int32_t> copy = first;
  PoolVector<int32_t> moved;
  moved = std::move(first);
  CHECK(moved.data() == place);
  CHECK(copy.data() != place);
  CHECK(copy == moved);
  CHECK(copy.get_allocator() == moved.get_allocator());
  CHECK(PoolVector<int32_t>{7}.get_allocator() != moved.get_allocator());
}

TEST_CASE("pool vector: a list outlives the last handle of its allocator") {
  PoolVector<int32_t> numbers;
  {
    const auto allocator = Allocator::create();
    numbers = PoolVector<int32_t>(100, 7, *allocator);
  }
  numbers.push_back(8);
  CHECK(numbers.front() == 7);
  CHECK(numbers.back() == 8);
}

TEST_CASE("storage: an identity is not given again while somebody knows it") {
  const auto allocator = Allocator::create();
  const auto make = [&] { return Tensor(allocator->allocate(256), 0, {64}, DType::f32); };
  Tensor first = make();
  const void* identity = first.identity();
  const void* memory = first.raw();
  auto known = first.reserve_identity();
  first = {};
  // The memory serves again, the identity does not.
  const Tensor second = make();
  CHECK(second.raw() == memory);
  CHECK(second.identity() != identity);
  known.reset();
  CHECK(make().identity() == identity);
}

}  // namespace cadre
