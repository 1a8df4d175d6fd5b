// What a tensor holds, for those who write it to a file or compute a little with it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/tensor/tensor.h"

namespace cadre {

// Its memory; empty for an undefined tensor.
std::span<const std::byte> bytes_of(const Tensor& tensor);

// The elements of a tensor in f32, bf16 or f16, in order; Error(internal) for other types.
std::vector<float> f32_values(const Tensor& tensor);

}  // namespace cadre
