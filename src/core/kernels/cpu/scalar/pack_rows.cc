#include "core/kernels/pack_rows.h"

#include <cstring>

#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {
namespace {

// One block of one row, wherever the format keeps its parts.
class BlockWriter {
 public:
  BlockWriter(PackedFormat format, std::byte* block, int64_t row)
      : format_(format), block_(reinterpret_cast<uint8_t*>(block)), row_(row) {}

  void half(int64_t index, const uint8_t* from) {
    std::memcpy(block_ + (index * 16 + row_) * 2, from, 2);
  }
  void byte(int64_t at, int64_t index, uint8_t value) { block_[at + index * 16 + row_] = value; }

  // The 32 quants of a group, as stored (without the offset).
  void quants(int64_t group, const uint8_t* q) {
    uint8_t* to = block_ + packed_header_bytes(format_) + group * packed_group_bytes(format_);
    if (format_ == PackedFormat::q8_0) {
      for (int64_t j = 0; j < 8; ++j) std::memcpy(to + j * 64 + row_ * 4, q + 4 * j, 4);
      return;
    }
    for (int64_t i = 0; i < 16; ++i) {
      const int64_t lane = i / 4 * 64 + row_ * 4 + i % 4;
      to[lane] = static_cast<uint8_t>((q[i] & 15) | (q[i + 16] & 15) << 4);
    }
    if (format_ == PackedFormat::q5_k) {
      for (int64_t i = 0; i < 32; ++i) {
        to[256 + row_ * 4 + i % 4] |= static_cast<uint8_t>((q[i] >> 4 & 1) << (i / 4));
      }
    }
    if (format_ == PackedFormat::q6_k) {
      for (int64_t i = 0; i < 32; ++i) {
        const int64_t quad = i / 4;
        to[256 + quad / 4 * 64 + row_ * 4 + i % 4] |=
            static_cast<uint8_t>((q[i] >> 4 & 3) << (2 * (quad % 4)));
      }
    }
  }

 private:
  PackedFormat format_;
  uint8_t* block_;
  int64_t row_;
};

void q8_0(const uint8_t* b, BlockWriter to) {
  to.half(0, b);
  to.quants(0, b + 2);
}

void q4_0(const uint8_t* b, BlockWriter to) {
  to.half(0, b);
  uint8_t q[32];
  for (int i = 0; i < 32; ++i) q[i] = i < 16 ? b[2 + i] & 15 : b[2 + i - 16] >> 4;
  to.quants(0, q);
}

// Scale and minimum of part j of 8: see core/kernels/quantise.h.
void k_scales(const uint8_t* s, BlockWriter to) {
  for (int j = 0; j < 8; ++j) {
    const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    const int minimum = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
    to.byte(64, j, static_cast<uint8_t>(scale));
    to.byte(64 + 128, j, static_cast<uint8_t>(minimum));
  }
}

void q4_k(const uint8_t* b, BlockWriter to) {
  to.half(0, b);
  to.half(1, b + 2);
  k_scales(b + 4, to);
  uint8_t q[32];
  for (int g = 0; g < 8; ++g) {
    const uint8_t* from = b + 16 + g / 2 * 32;
    for (int i = 0; i < 32; ++i) q[i] = from[i] >> (g % 2 * 4) & 15;
    to.quants(g, q);
  }
}

void q5_k(const uint8_t* b, BlockWriter to) {
  to.half(0, b);
  to.half(1, b + 2);
  k_scales(b + 4, to);
  uint8_t q[32];
  for (int g = 0; g < 8; ++g) {
    const uint8_t* from = b + 48 + g / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      q[i] = static_cast<uint8_t>((from[i] >> (g % 2 * 4) & 15) | (b[16 + i] >> g & 1) << 4);
    }
    to.quants(g, q);
  }
}

void q6_k(const uint8_t* b, BlockWriter to) {
  to.half(0, b + 208);
  for (int j = 0; j < 16; ++j) to.byte(32, j, b[192 + j]);
  uint8_t q[32];
  for (int g = 0; g < 8; ++g) {
    const uint8_t* low = b + g / 4 * 64 + g % 2 * 32;
    const uint8_t* high = b + 128 + g / 4 * 32;
    for (int i = 0; i < 32; ++i) {
      q[i] = static_cast<uint8_t>((low[i] >> (g % 4 / 2 * 4) & 15) | (high[i] >> (g % 4 * 2) & 3)
                                                                         << 4);
    }
    to.quants(g, q);
  }
}

}  // namespace

void pack_rows(const PackRowsArgs& args) noexcept {
  const int64_t blocks = args.k / packed_block_size(args.format);
  const int64_t row_block = args.row_bytes / blocks;
  std::memset(args.tile, 0, static_cast<size_t>(packed_tile_bytes(args.format, args.k)));
  for (int64_t r = 0; r < args.rows; ++r) {
    for (int64_t block = 0; block < blocks; ++block) {
      const auto* from =
          reinterpret_cast<const uint8_t*>(args.blocks) + r * args.row_bytes + block * row_block;
      const BlockWriter to(args.format, args.tile + block * packed_block_bytes(args.format), r);
      switch (args.format) {
        case PackedFormat::q8_0:
          q8_0(from, to);
          break;
        case PackedFormat::q4_0:
          q4_0(from, to);
          break;
        case PackedFormat::q4_k:
          q4_k(from, to);
          break;
        case PackedFormat::q5_k:
          q5_k(from, to);
          break;
        case PackedFormat::q6_k:
          q6_k(from, to);
          break;
      }
    }
  }
}

}  // namespace cadre::kernels::scalar
