// Tensors larger than what will be used of them.
#pragma once

#include "core/tensor/tensor.h"

namespace cadre::infer {

// Memory of its own, zero at first, of which the system provides a part only when it is written:
// a cache may be reserved for the longest text. Throws Error(exhausted) if there is no such room.
Tensor reserve_memory(Shape shape, DType dtype);

}  // namespace cadre::infer
