#include "core/tensor/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "core/base/error.h"
#include "core/tensor/pool_vector.h"

namespace cadre {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kHugePage = 2 << 20;

// Size classes an eighth of a power of two apart waste at most 12.5 % and make blocks meet again.
int64_t size_class(int64_t bytes) {
  const int64_t least = std::max(bytes, kAlignment);
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

// Storage that is a block of an allocator. The block goes back when the last tensor goes; this
// header, a block too and the one that holds the allocator, when nobody knows the identity any more
// (Tensor::reserve_identity()).
struct Allocator::Block : Storage {
  ~Block() {
    if (data != nullptr) owner->give_back(data, size);
  }
  Allocator* owner = nullptr;
};

std::shared_ptr<Allocator> Allocator::create() { return std::shared_ptr<Allocator>(new Allocator); }

Allocator::~Allocator() { release_unused(); }

std::shared_ptr<Storage> Allocator::allocate(int64_t bytes) {
  auto block = std::allocate_shared<Block>(PoolAllocator<Block>(*this));
  block->owner = this;
  block->data = take(bytes);
  block->size = bytes;
  return block;
}

// A block that was given back, or null and room for another.
std::byte* Allocator::take_free(int64_t capacity) {
  std::lock_guard lock(mutex_);
  SizeClass& found = classes_[capacity];
  std::byte* block = nullptr;
  if (!found.free.empty()) {
    block = found.free.back();
    found.free.pop_back();
  } else {
    if (found.free.capacity() == found.blocks) found.free.reserve(2 * found.blocks + 1);
    ++found.blocks;
    held_ += capacity;
  }
  used_ += capacity;
  peak_ = std::max(peak_, used_);
  return block;
}

std::byte* Allocator::take(int64_t bytes) {
  const int64_t capacity = size_class(bytes);
  if (std::byte* block = take_free(capacity)) return block;
  if (std::byte* block = new_block(capacity)) return block;
  std::lock_guard lock(mutex_);
  --classes_[capacity].blocks;
  held_ -= capacity;
  used_ -= capacity;
  fail(ErrorKind::exhausted, "out of memory: {} bytes more than the {} in use", bytes, used_);
}

void Allocator::give_back(std::byte* block, int64_t bytes) noexcept {
  const int64_t capacity = size_class(bytes);
  std::lock_guard lock(mutex_);
  used_ -= capacity;
  classes_.find(capacity)->second.free.push_back(block);
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
  for (auto& [capacity, found] : classes_) {
    for (std::byte* block : found.free) std::free(block);
    held_ -= capacity * static_cast<int64_t>(found.free.size());
    found.blocks -= found.free.size();
    found.free.clear();
  }
}

}  // namespace cadre
