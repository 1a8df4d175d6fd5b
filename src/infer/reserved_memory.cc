#include "infer/reserved_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>

namespace cadre::infer {

Tensor reserve_memory(Shape shape, DType dtype) {
  const int64_t bytes = std::max<int64_t>(1, shape.elements() * dtype_size(dtype));
  const auto size = static_cast<size_t>(bytes);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    fail(ErrorKind::exhausted, "out of memory: {} bytes for a KV cache of {} {}", bytes,
         to_string(shape), dtype_name(dtype));
  }
  std::shared_ptr<const void> owner(
      memory, [size](const void* place) { ::munmap(const_cast<void*>(place), size); });
  auto storage = std::make_shared<Storage>(
      Storage{static_cast<std::byte*>(memory), bytes, true, std::move(owner)});
  return Tensor(std::move(storage), 0, shape, dtype);
}

}  // namespace cadre::infer
