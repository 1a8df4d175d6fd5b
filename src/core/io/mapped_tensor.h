// Tensors on the pages of a mapped file.
#pragma once

#include <memory>
#include <span>

#include "core/base/file.h"
#include "core/tensor/tensor.h"

namespace cadre::io {

// A tensor on `bytes` of the file, which it keeps mapped; not writable. Only where the address is
// none that the element type allows is it a copy. There must be enough bytes.
Tensor mapped_tensor(std::shared_ptr<const MappedFile> file, std::span<const std::byte> bytes,
                     Shape shape, DType dtype);

}  // namespace cadre::io
