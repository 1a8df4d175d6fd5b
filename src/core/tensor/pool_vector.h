// Lists in the memory of an Allocator.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <vector>

#include "core/tensor/storage.h"

namespace cadre {

// What the standard containers ask of an allocator. The memory comes from the blocks of a cadre::
// Allocator, whose handle it keeps, so a list may outlive whoever made it; without one, from new.
template <typename T>
class PoolAllocator {
 public:
  using value_type = T;
  // A list that is moved or swapped takes its memory along.
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;

  PoolAllocator() = default;
  PoolAllocator(Allocator& owner) : owner_(owner.shared_from_this()) {}  // NOLINT
  template <typename U>
  PoolAllocator(const PoolAllocator<U>& other) : owner_(other.owner()) {}  // NOLINT

  T* allocate(size_t count) {
    if (owner_ == nullptr) return std::allocator<T>().allocate(count);
    return reinterpret_cast<T*>(owner_->take(static_cast<int64_t>(count * sizeof(T))));
  }
  void deallocate(T* memory, size_t count) noexcept {
    if (owner_ == nullptr) return std::allocator<T>().deallocate(memory, count);
    owner_->give_back(reinterpret_cast<std::byte*>(memory),
                      static_cast<int64_t>(count * sizeof(T)));
  }

  const std::shared_ptr<Allocator>& owner() const { return owner_; }
  template <typename U>
  bool operator==(const PoolAllocator<U>& other) const {
    return owner_ == other.owner();
  }

 private:
  std::shared_ptr<Allocator> owner_;
};

// A list that an op makes in every call, PoolVector<Task> tasks(ctx.allocator()): its memory comes
// back with the next call, so that nothing is allocated from one token to the next.
template <typename T>
using PoolVector = std::vector<T, PoolAllocator<T>>;

}  // namespace cadre
