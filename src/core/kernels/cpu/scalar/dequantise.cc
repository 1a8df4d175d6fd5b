#include <cstring>

#include "core/kernels/cpu/scalar/kernels.h"
#include "core/kernels/quantise.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels::scalar {
namespace {

using Bytes = const uint8_t*;

float read_f16(Bytes bytes) {
  f16 value;
  std::memcpy(&value, bytes, sizeof(value));
  return to_f32(value);
}

// The 4-bit integer i of 32 in 16 bytes.
int nibble(Bytes q, int i) { return i < 16 ? q[i] & 15 : q[i - 16] >> 4; }

// Bit i of a row of bytes.
int bit(Bytes bits, int i) { return (bits[i / 8] >> (i % 8)) & 1; }

void q8_0(Bytes block, float* y) {
  const float d = read_f16(block);
  for (int i = 0; i < 32; ++i) y[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * d;
}

void q4_0(Bytes block, float* y) {
  const float d = read_f16(block);
  for (int i = 0; i < 32; ++i) y[i] = d * static_cast<float>(nibble(block + 2, i) - 8);
}

void q4_1(Bytes block, float* y) {
  const float d = read_f16(block);
  const float m = read_f16(block + 2);
  for (int i = 0; i < 32; ++i) y[i] = d * static_cast<float>(nibble(block + 4, i)) + m;
}

void q5_0(Bytes block, float* y) {
  const float d = read_f16(block);
  for (int i = 0; i < 32; ++i) {
    y[i] = d * static_cast<float>((nibble(block + 6, i) | bit(block + 2, i) << 4) - 16);
  }
}

void q5_1(Bytes block, float* y) {
  const float d = read_f16(block);
  const float m = read_f16(block + 2);
  for (int i = 0; i < 32; ++i) {
    y[i] = d * static_cast<float>(nibble(block + 8, i) | bit(block + 4, i) << 4) + m;
  }
}

// The 2-bit integer i of 256 in 64 bytes: each 32 bytes hold four runs of 32 values.
int pair_of_bits(Bytes q, int i) { return (q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3; }

// The 4-bit integer i of 256 in 128 bytes: each 32 bytes hold two runs of 32 values.
int long_nibble(Bytes q, int i) { return (q[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)) & 15; }

void q2_k(Bytes block, float* y) {
  const float d = read_f16(block + 80);
  const float m = read_f16(block + 82);
  for (int i = 0; i < 256; ++i) {
    const int scale = block[i / 16];
    const float q = static_cast<float>(pair_of_bits(block + 16, i));
    y[i] = d * static_cast<float>(scale & 15) * q - m * static_cast<float>(scale >> 4);
  }
}

// The scale of part j of 16: its low four bits from the first 8 bytes, two more from the last 4.
int q3_k_scale(Bytes s, int j) {
  const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
  const int high = (s[8 + j % 4] >> (j / 4 * 2)) & 3;
  return low | high << 4;
}

void q3_k(Bytes block, float* y) {
  const float d = read_f16(block + 108);
  for (int i = 0; i < 256; ++i) {
    const int high = (block[i % 32] >> (i / 32)) & 1;
    const int q = pair_of_bits(block + 32, i) - (high == 0 ? 4 : 0);
    const int scale = q3_k_scale(block + 96, i / 16) - 32;
    y[i] = d * static_cast<float>(scale) * static_cast<float>(q);
  }
}

// Scale and minimum of part j of 8, six bits each in 12 bytes: those of parts 0-3 fill the low six
// bits of bytes 0-7; those of parts 4-7 are nibbles of bytes 8-11 with two bits above from 0-7.
struct ScaleMin {
  float scale;
  float min;
};
ScaleMin scale_min(Bytes s, int j) {
  if (j < 4) return {static_cast<float>(s[j] & 63), static_cast<float>(s[j + 4] & 63)};
  return {static_cast<float>((s[j + 4] & 15) | (s[j - 4] >> 6) << 4),
          static_cast<float>(s[j + 4] >> 4 | (s[j] >> 6) << 4)};
}

void q4_k(Bytes block, float* y) {
  const float d = read_f16(block);
  const float m = read_f16(block + 2);
  for (int i = 0; i < 256; ++i) {
    const ScaleMin part = scale_min(block + 4, i / 32);
    y[i] = d * part.scale * static_cast<float>(long_nibble(block + 16, i)) - m * part.min;
  }
}

void q5_k(Bytes block, float* y) {
  const float d = read_f16(block);
  const float m = read_f16(block + 2);
  for (int i = 0; i < 256; ++i) {
    const ScaleMin part = scale_min(block + 4, i / 32);
    const int high = (block[16 + i % 32] >> (i / 32)) & 1;
    y[i] =
        d * part.scale * static_cast<float>(long_nibble(block + 48, i) | high << 4) - m * part.min;
  }
}

// Each 64 bytes of q hold two runs of 64 values, each 32 bytes of h four of 32.
void q6_k(Bytes block, float* y) {
  const float d = read_f16(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int low = (block[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4)) & 15;
    const int high = pair_of_bits(block + 128, i);
    const float scale = static_cast<float>(static_cast<int8_t>(block[192 + i / 16]));
    y[i] = d * scale * static_cast<float>((low | high << 4) - 32);
  }
}

using BlockFn = void(Bytes block, float* y);

BlockFn* block_function(BlockType type) {
  switch (type) {
    case BlockType::q4_0:
      return q4_0;
    case BlockType::q4_1:
      return q4_1;
    case BlockType::q5_0:
      return q5_0;
    case BlockType::q5_1:
      return q5_1;
    case BlockType::q8_0:
      return q8_0;
    case BlockType::q2_k:
      return q2_k;
    case BlockType::q3_k:
      return q3_k;
    case BlockType::q4_k:
      return q4_k;
    case BlockType::q5_k:
      return q5_k;
    case BlockType::q6_k:
      return q6_k;
  }
  return nullptr;
}

}  // namespace

void dequantise(const DequantiseArgs& args, Range blocks) noexcept {
  const BlockLayout layout = block_layout(args.type);
  BlockFn* function = block_function(args.type);
  for (int64_t b = blocks.begin; b < blocks.end; ++b) {
    function(static_cast<Bytes>(args.blocks) + b * layout.bytes, args.y + b * layout.elements);
  }
}

}  // namespace cadre::kernels::scalar
