#include "core/kernels/quantise.h"

#include <cmath>
#include <cstring>

#include "core/kernels/cpu/scalar/kernels.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels::scalar {
namespace {

void write_f16(float value, uint8_t* bytes) {
  const f16 half = to_f16(value);
  std::memcpy(bytes, &half, sizeof(half));
}

// Also for NaN and for what a reciprocal of a tiny scale makes infinite.
int to_integer(float value, int low, int high) {
  if (!(value > static_cast<float>(low))) return low;
  return value < static_cast<float>(high) ? static_cast<int>(value) : high;
}

void q8_0(const float* x, uint8_t* block) {
  float largest = 0.0f;
  for (int i = 0; i < 32; ++i) largest = std::fmax(largest, std::fabs(x[i]));
  const float d = largest / 127.0f;
  const float inverse = d == 0.0f ? 0.0f : 1.0f / d;
  write_f16(d, block);
  for (int i = 0; i < 32; ++i) {
    block[2 + i] = static_cast<uint8_t>(to_integer(std::round(x[i] * inverse), -128, 127));
  }
}

void q4_0(const float* x, uint8_t* block) {
  float largest = 0.0f;  // in magnitude
  for (int i = 0; i < 32; ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  const float d = largest / -8.0f;
  const float inverse = d == 0.0f ? 0.0f : 1.0f / d;
  write_f16(d, block);
  for (int i = 0; i < 16; ++i) {
    const int low = to_integer(x[i] * inverse + 8.5f, 0, 15);
    const int high = to_integer(x[16 + i] * inverse + 8.5f, 0, 15);
    block[2 + i] = static_cast<uint8_t>(low | high << 4);
  }
}

}  // namespace

void quantise(const QuantiseArgs& args, Range blocks) noexcept {
  const BlockLayout layout = block_layout(args.type);
  for (int64_t b = blocks.begin; b < blocks.end; ++b) {
    const float* x = args.x + b * layout.elements;
    uint8_t* block = static_cast<uint8_t*>(args.blocks) + b * layout.bytes;
    args.type == BlockType::q8_0 ? q8_0(x, block) : q4_0(x, block);
  }
}

}  // namespace cadre::kernels::scalar
