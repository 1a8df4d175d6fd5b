#include "core/tensor/storage.h"

#include <doctest/doctest.h>

#include <cstring>
#include <thread>

#include "tests/expect_error.h"

namespace cadre {

TEST_CASE("allocator: blocks are aligned, of the size asked for, and apart") {
  const auto allocator = Allocator::create();
  std::vector<std::shared_ptr<Storage>> blocks;
  for (const int64_t bytes : {0, 1, 63, 64, 65, 1000, 4097, 3 << 20}) {
    blocks.push_back(allocator->allocate(bytes));
    CHECK(reinterpret_cast<uintptr_t>(blocks.back()->data) % 64 == 0);
    CHECK(blocks.back()->size == bytes);
    CHECK(blocks.back()->writable);
    std::memset(blocks.back()->data, static_cast<int>(blocks.size()), static_cast<size_t>(bytes));
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    for (int64_t b = 0; b < blocks[i]->size; b += 61) {
      CHECK(std::to_integer<size_t>(blocks[i]->data[b]) == i + 1);
    }
  }
}

TEST_CASE("allocator: a freed block serves the next request of its size") {
  const auto allocator = Allocator::create();
  auto first = allocator->allocate(100000);
  const std::byte* address = first->data;
  const int64_t held = allocator->held_bytes();
  first.reset();
  CHECK(allocator->used_bytes() == 0);
  CHECK(allocator->held_bytes() == held);
  const auto second = allocator->allocate(99999);  // the same class
  CHECK(second->data == address);
  CHECK(allocator->held_bytes() == held);
}

TEST_CASE("allocator: a repeated pattern of sizes takes no more memory") {
  const auto allocator = Allocator::create();
  const auto step = [&] {
    std::vector<std::shared_ptr<Storage>> blocks;
    for (int64_t i = 1; i < 50; ++i) blocks.push_back(allocator->allocate(i * 777));
    return allocator->used_bytes();
  };
  const int64_t used = step();
  const int64_t held = allocator->held_bytes();
  for (int i = 0; i < 10; ++i) CHECK(step() == used);
  CHECK(allocator->held_bytes() == held);
  CHECK(allocator->peak_bytes() == used);
}

TEST_CASE("allocator: unused blocks can be returned, used ones stay") {
  const auto allocator = Allocator::create();
  const auto kept = allocator->allocate(5000);
  allocator->allocate(70000);
  allocator->release_unused();
  CHECK(allocator->held_bytes() == allocator->used_bytes());
  kept->data[4999] = std::byte{1};
}

TEST_CASE("allocator: a block outlives the last handle of its allocator") {
  std::shared_ptr<Storage> block;
  {
    const auto allocator = Allocator::create();
    block = allocator->allocate(1000);
  }
  std::memset(block->data, 1, 1000);
}

TEST_CASE("allocator: threads may share it") {
  const auto allocator = Allocator::create();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 1; i < 2000; ++i) {
        const auto block = allocator->allocate(i % 37 * 100 + 8);
        std::memset(block->data, t, 8);
        if (std::to_integer<int>(block->data[7]) != t) std::abort();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(allocator->used_bytes() == 0);
}

}  // namespace cadre
