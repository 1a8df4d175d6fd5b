// Elements of any floating type as f32: what the definitions of the kernels read and write with.
#pragma once

#include <cstdint>

#include "core/tensor/dtype.h"

namespace cadre::kernels::scalar {

inline float load(const void* p, DType type, int64_t i) {
  if (type == DType::bf16) return to_f32(static_cast<const bf16*>(p)[i]);
  if (type == DType::f16) return to_f32(static_cast<const f16*>(p)[i]);
  return static_cast<const float*>(p)[i];
}

inline void store(void* p, DType type, int64_t i, float value) {
  if (type == DType::bf16) {
    static_cast<bf16*>(p)[i] = to_bf16(value);
  } else if (type == DType::f16) {
    static_cast<f16*>(p)[i] = to_f16(value);
  } else {
    static_cast<float*>(p)[i] = value;
  }
}

}  // namespace cadre::kernels::scalar
