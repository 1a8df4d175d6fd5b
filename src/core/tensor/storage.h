// Memory behind tensors: blocks that are reused rather than returned, and views of mapped files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace cadre {

// Plain memory with an owner. Tensors share it; its address is also the identity of a tensor on the
// tape. `keep_alive` holds whatever owns the bytes (an allocator block, a mapped file).
struct Storage {
  std::byte* data = nullptr;
  int64_t size = 0;
  bool writable = true;
  std::shared_ptr<const void> keep_alive;
};

// Hands out 64-byte aligned blocks and keeps freed ones for the next request of the same size
// class, for a training step asks for the same sizes again and again, and page faults cost more
// than the arithmetic of small layers. So does a token of decoding: once a pattern of sizes has
// been seen, its repetition asks the system for nothing, headers of storage included. Thread-safe.
// Blocks may outlive the allocator's handle.
class Allocator : public std::enable_shared_from_this<Allocator> {
 public:
  static std::shared_ptr<Allocator> create();
  ~Allocator();

  // Uninitialised memory. Throws Error(exhausted), naming the size, if there is no memory.
  std::shared_ptr<Storage> allocate(int64_t bytes);
  // The same as plain memory, which goes back with give_back() of as many bytes; PoolVector
  // (core/tensor/pool_vector.h) does both.
  std::byte* take(int64_t bytes);
  void give_back(std::byte* block, int64_t bytes) noexcept;

  // Bytes in blocks that are in use, their highest value so far, and bytes held in all.
  int64_t used_bytes() const;
  int64_t peak_bytes() const;
  int64_t held_bytes() const;
  // Returns unused blocks to the system.
  void release_unused();

 private:
  // Blocks of one size.
  struct SizeClass {
    std::vector<std::byte*> free;  // has room for all of them, so giving back cannot fail
    size_t blocks = 0;
  };
  struct Block;

  Allocator() = default;
  std::byte* take_free(int64_t capacity);

  mutable std::mutex mutex_;  // guards all below
  std::unordered_map<int64_t, SizeClass> classes_;
  int64_t used_ = 0;
  int64_t peak_ = 0;
  int64_t held_ = 0;
};

}  // namespace cadre
