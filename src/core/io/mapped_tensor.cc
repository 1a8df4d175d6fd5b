#include "core/io/mapped_tensor.h"

#include <cstring>
#include <utility>

namespace cadre::io {

Tensor mapped_tensor(std::shared_ptr<const MappedFile> file, std::span<const std::byte> bytes,
                     Shape shape, DType dtype) {
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  if (address % static_cast<uintptr_t>(dtype_size(dtype)) != 0) {
    Tensor copy = Tensor::empty(shape, dtype);
    CADRE_CHECK(static_cast<size_t>(copy.bytes()) <= bytes.size());
    std::memcpy(copy.raw(), bytes.data(), static_cast<size_t>(copy.bytes()));
    return copy;
  }
  auto storage = std::make_shared<Storage>();
  // Storage has one pointer type for both kinds of memory; `writable` keeps the promise of const.
  storage->data = const_cast<std::byte*>(bytes.data());
  storage->size = static_cast<int64_t>(bytes.size());
  storage->writable = false;
  storage->keep_alive = std::move(file);
  return Tensor(std::move(storage), 0, shape, dtype);
}

}  // namespace cadre::io
