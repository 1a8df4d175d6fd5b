#include "core/tensor/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "core/base/error.h"

namespace cadre {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kHugePage = 2 << 20;

// Size classes an eighth of a power of two apart waste at most 12.5 % and make blocks meet again.
int64_t size_class(int64_t bytes) {
  const int64_t least = std::max<int64_t>(bytes, 256);
  const int64_t step = std::max<int64_t>(
      kAlignment, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(least))) / 8);
  return (least + step - 1) / step * step;
}

std::byte* new_block(int64_t capacity) {
  const int64_t alignment = capacity >= kHugePage ? kHugePage : kAlignment;
  const int64_t rounded = (capacity + alignment - 1) / alignment * alignment;
  void* block = std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(rounded));
  if (block != nullptr && alignment == kHugePage) {
    ::madvise(block, static_cast<size_t>(rounded), MADV_HUGEPAGE);  // a hint: refusal is harmless
  }
  return static_cast<std::byte*>(block);
}

}  // namespace

std::shared_ptr<Allocator> Allocator::create() { return std::shared_ptr<Allocator>(new Allocator); }

Allocator::~Allocator() { release_unused(); }

std::shared_ptr<Storage> Allocator::allocate(int64_t bytes) {
  const int64_t capacity = size_class(bytes);
  std::byte* block = nullptr;
  {
    std::lock_guard lock(mutex_);
    std::vector<std::byte*>& blocks = free_[capacity];
    if (!blocks.empty()) {
      block = blocks.back();
      blocks.pop_back();
    } else {
      held_ += capacity;
    }
    used_ += capacity;
    peak_ = std::max(peak_, used_);
  }
  if (block == nullptr) block = new_block(capacity);
  if (block == nullptr) {
    std::lock_guard lock(mutex_);
    held_ -= capacity;
    used_ -= capacity;
    fail(ErrorKind::exhausted, "out of memory: {} bytes more than the {} in use", bytes, used_);
  }
  auto owner =
      std::shared_ptr<const void>(block, [self = shared_from_this(), capacity](const void* memory) {
        self->give_back(static_cast<std::byte*>(const_cast<void*>(memory)), capacity);
      });
  return std::make_shared<Storage>(Storage{block, bytes, true, std::move(owner)});
}

void Allocator::give_back(std::byte* block, int64_t capacity) {
  std::lock_guard lock(mutex_);
  used_ -= capacity;
  free_[capacity].push_back(block);
}

int64_t Allocator::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used_;
}

int64_t Allocator::peak_bytes() const {
  std::lock_guard lock(mutex_);
  return peak_;
}

int64_t Allocator::held_bytes() const {
  std::lock_guard lock(mutex_);
  return held_;
}

void Allocator::release_unused() {
  std::lock_guard lock(mutex_);
  for (auto& [capacity, blocks] : free_) {
    for (std::byte* block : blocks) std::free(block);
    held_ -= capacity * static_cast<int64_t>(blocks.size());
    blocks.clear();
  }
}

}  // namespace cadre
