// Weights stored as eight-bit floats with scales, as tensors in bf16.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/io/tensor_source.h"

namespace cadre::io {

// The values of eight-bit floats. e4m3: four bits of exponent, no infinity, largest 448
// (Micikevicius et al., "FP8 Formats for Deep Learning", arXiv:2209.05433). e5m2: the upper half of
// an f16.
float f8_e4m3_to_f32(uint8_t bits);
float f8_e5m2_to_f32(uint8_t bits);
// The nearest e4m3, ties to even; beyond 448 the largest, and NaN for NaN.
uint8_t f32_to_f8_e4m3(float value);

// The same tensors, where "NAME" in eight-bit floats with "NAME_scale_inv" or "NAME_scale" beside
// it is one tensor in bf16, the product rounded once, as its publisher computes it. A scale is one
// number, [rows, 1], or one for each 128 x 128 block, [ceil(rows / 128), ceil(columns / 128)].
// Throws Error(unsupported) for an eight-bit tensor without a scale and for scales of another shape
// or type. Such a tensor is made anew (TensorSource::is_made).
std::shared_ptr<const TensorSource> with_scaled_float8(std::shared_ptr<const TensorSource> source);

}  // namespace cadre::io
