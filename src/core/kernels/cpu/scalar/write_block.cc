#include <algorithm>
#include <cstring>

#include "core/kernels/round_blocks.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels {
namespace {

void write_f16(float value, uint8_t* bytes) {
  const f16 half = to_f16(value);
  std::memcpy(bytes, &half, sizeof(half));
}

// A bit field is added to bytes that were zero.
void add_bits(uint8_t& byte, int value, int shift) {
  byte = static_cast<uint8_t>(byte | value << shift);
}

// 32 values: low halves of 16 bytes first.
void nibbles(const int* q, uint8_t* bytes) {
  for (int i = 0; i < 32; ++i) add_bits(bytes[i % 16], q[i] & 15, i / 16 * 4);
}

void fifth_bits(const int* q, uint8_t* bytes) {
  for (int i = 0; i < 32; ++i) add_bits(bytes[i / 8], q[i] >> 4, i % 8);
}

// 256 values: each 32 bytes hold two runs of 32.
void long_nibbles(const int* q, uint8_t* bytes) {
  for (int i = 0; i < 256; ++i) add_bits(bytes[i / 64 * 32 + i % 32], q[i] & 15, i % 64 / 32 * 4);
}

// Scale and minimum of eight parts, six bits each, in 12 bytes; see dequantise.cc.
void six_bit_parts(const BlockCodes& codes, uint8_t* bytes) {
  for (int j = 0; j < 4; ++j) {
    add_bits(bytes[j], codes.part_scale[j], 0);
    add_bits(bytes[j + 4], codes.part_minimum[j], 0);
    add_bits(bytes[j + 8], codes.part_scale[j + 4] & 15, 0);
    add_bits(bytes[j + 8], codes.part_minimum[j + 4] & 15, 4);
    add_bits(bytes[j], codes.part_scale[j + 4] >> 4, 6);
    add_bits(bytes[j + 4], codes.part_minimum[j + 4] >> 4, 6);
  }
}

void q2_k(const BlockCodes& codes, uint8_t* block) {
  for (int j = 0; j < 16; ++j)
    add_bits(block[j], codes.part_scale[j] | codes.part_minimum[j] << 4, 0);
  for (int i = 0; i < 256; ++i) {
    add_bits(block[16 + i / 128 * 32 + i % 32], codes.quants[i], i % 128 / 32 * 2);
  }
  write_f16(codes.scale, block + 80);
  write_f16(codes.minimum, block + 82);
}

void q3_k(const BlockCodes& codes, uint8_t* block) {
  for (int i = 0; i < 256; ++i) {
    add_bits(block[i % 32], codes.quants[i] >> 2, i / 32);
    add_bits(block[32 + i / 128 * 32 + i % 32], codes.quants[i] & 3, i % 128 / 32 * 2);
  }
  for (int j = 0; j < 16; ++j) {
    const int scale = codes.part_scale[j] + 32;
    add_bits(block[96 + j % 8], scale & 15, j / 8 * 4);
    add_bits(block[104 + j % 4], scale >> 4, j / 4 * 2);
  }
  write_f16(codes.scale, block + 108);
}

void q5_k(const BlockCodes& codes, uint8_t* block) {
  six_bit_parts(codes, block + 4);
  for (int i = 0; i < 256; ++i) add_bits(block[16 + i % 32], codes.quants[i] >> 4, i / 32);
  long_nibbles(codes.quants, block + 48);
}

void q6_k(const BlockCodes& codes, uint8_t* block) {
  for (int i = 0; i < 256; ++i) {
    add_bits(block[i / 128 * 64 + i % 64], codes.quants[i] & 15, i % 128 / 64 * 4);
    add_bits(block[128 + i / 128 * 32 + i % 32], codes.quants[i] >> 4, i % 128 / 32 * 2);
  }
  for (int j = 0; j < 16; ++j) block[192 + j] = static_cast<uint8_t>(codes.part_scale[j]);
  write_f16(codes.scale, block + 208);
}

}  // namespace

float nearest_f16(float x) noexcept {
  return to_f32(to_f16(std::min(std::max(x, -65504.0f), 65504.0f)));
}

void write_block(BlockType type, const BlockCodes& codes, uint8_t* block) noexcept {
  std::memset(block, 0, static_cast<size_t>(block_layout(type).bytes));
  const bool has_minimum = type == BlockType::q4_1 || type == BlockType::q5_1 ||
                           type == BlockType::q4_k || type == BlockType::q5_k;
  if (type == BlockType::q2_k) return q2_k(codes, block);
  if (type == BlockType::q3_k) return q3_k(codes, block);
  if (type == BlockType::q6_k) return q6_k(codes, block);
  write_f16(codes.scale, block);
  if (has_minimum) write_f16(codes.minimum, block + 2);
  uint8_t* rest = block + (has_minimum ? 4 : 2);
  switch (type) {
    case BlockType::q4_k:
      six_bit_parts(codes, rest);
      return long_nibbles(codes.quants, rest + 12);
    case BlockType::q5_k:
      return q5_k(codes, block);
    case BlockType::q5_0:
    case BlockType::q5_1:
      fifth_bits(codes.quants, rest);
      return nibbles(codes.quants, rest + 4);
    case BlockType::q8_0:
      for (int i = 0; i < 32; ++i) rest[i] = static_cast<uint8_t>(codes.quants[i]);
      return;
    default:
      return nibbles(codes.quants, rest);
  }
}

}  // namespace cadre::kernels
