// core/kernels/pack_rows.h for whole tiles, over vectors of four bytes from each of several rows:
// what a tile keeps together is a column of such words in the file.
#pragma once

#include "core/kernels/pack_rows.h"

namespace cadre::kernels::loops {

// W is a vector of 32-bit words of W::kRows rows: W::column(from, stride) gathers one from each
// row, store(to) writes them side by side; &, |, and shifts of whole words by bits.
template <class W>
class RowPacker {
 public:
  RowPacker(const PackRowsArgs& args, int64_t first_row, int64_t blocks)
      : row_bytes_(args.row_bytes),
        from_(reinterpret_cast<const uint8_t*>(args.blocks) + first_row * args.row_bytes),
        to_(reinterpret_cast<uint8_t*>(args.tile)),
        first_row_(first_row),
        blocks_(blocks),
        block_bytes_(args.row_bytes / blocks),
        format_(args.format) {}

  void run() {
    for (int64_t b = 0; b < blocks_; ++b) {
      const uint8_t* from = from_ + b * block_bytes_;
      uint8_t* to = to_ + b * packed_block_bytes(format_);
      switch (format_) {
        case PackedFormat::q8_0:
          halves(from, to);
          columns<8>(from + 2, to + packed_header_bytes(format_));
          break;
        case PackedFormat::q4_0:
          halves(from, to);
          columns<4>(from + 2, to + packed_header_bytes(format_));
          break;
        case PackedFormat::q4_k:
          k_header(from, to);
          nibbles(from + 16, to + packed_header_bytes(format_));
          break;
        case PackedFormat::q5_k:
          k_header(from, to);
          nibbles(from + 48, to + packed_header_bytes(format_));
          fifth_bits(from + 16, to + packed_header_bytes(format_));
          break;
        case PackedFormat::q6_k:
          halves(from + 208, to);
          for (int64_t j = 0; j < 16; ++j) bytes(from + 192 + j, to + 32 + 16 * j);
          six_bits(from, to + packed_header_bytes(format_));
          break;
      }
    }
  }

 private:
  void halves(const uint8_t* from, uint8_t* to) const {
    for (int64_t r = 0; r < W::kRows; ++r) {
      __builtin_memcpy(to + 2 * (first_row_ + r), from + r * row_bytes_, 2);
    }
  }
  void bytes(const uint8_t* from, uint8_t* to) const {
    for (int64_t r = 0; r < W::kRows; ++r) to[first_row_ + r] = from[r * row_bytes_];
  }
  void k_header(const uint8_t* from, uint8_t* to) const {
    halves(from, to);
    halves(from + 2, to + 32);
    k_scales(from + 4, to + 64);
  }
  // Six bits each, as core/kernels/quantise.h has them.
  void k_scales(const uint8_t* from, uint8_t* to) const {
    for (int64_t r = 0; r < W::kRows; ++r) {
      const uint8_t* s = from + r * row_bytes_;
      uint8_t* row = to + first_row_ + r;
      for (int j = 0; j < 4; ++j) {
        row[16 * j] = s[j] & 63;
        row[128 + 16 * j] = s[j + 4] & 63;
        row[16 * (j + 4)] = static_cast<uint8_t>((s[j + 8] & 15) | (s[j] >> 6) << 4);
        row[128 + 16 * (j + 4)] = static_cast<uint8_t>(s[j + 8] >> 4 | (s[j + 4] >> 6) << 4);
      }
    }
  }

  W column(const uint8_t* from) const { return W::column(from, row_bytes_); }
  void store(W words, uint8_t* to) const { words.store(to + 4 * first_row_); }

  template <int kCount>
  void columns(const uint8_t* from, uint8_t* to) const {
    for (int64_t j = 0; j < kCount; ++j) store(column(from + 4 * j), to + 64 * j);
  }

  // Elements i and i + 16 of a group, from two words of nibbles in the lower or the upper halves.
  static W paired(W low, W high, bool upper) {
    const W first = upper ? low.shifted_right(4) : low;
    const W second = upper ? high : high.shifted_left(4);
    return (first & W::all(0x0f0f0f0f)) | (second & W::all(0xf0f0f0f0));
  }

  // Eight groups, two of them in each 32 bytes.
  void nibbles(const uint8_t* from, uint8_t* to) const {
    const int64_t group = packed_group_bytes(format_);
    for (int64_t g = 0; g < 8; g += 2) {
      for (int64_t j = 0; j < 4; ++j) {
        const W low = column(from + 16 * g + 4 * j);
        const W high = column(from + 16 * g + 16 + 4 * j);
        store(paired(low, high, false), to + g * group + 64 * j);
        store(paired(low, high, true), to + (g + 1) * group + 64 * j);
      }
    }
  }

  // Bit g of byte i of the 32 is that of element i of group g.
  void fifth_bits(const uint8_t* from, uint8_t* to) const {
    W words[8];
    for (int64_t j = 0; j < 8; ++j) words[j] = column(from + 4 * j);
    for (int g = 0; g < 8; ++g) {
      W bits = W::all(0);
      for (int j = 0; j < 8; ++j) {
        bits = bits | (words[j].shifted_right(g) & W::all(0x01010101)).shifted_left(j);
      }
      store(bits, to + g * packed_group_bytes(format_) + 256);
    }
  }

  void six_bits(const uint8_t* from, uint8_t* to) const {
    for (int g = 0; g < 8; ++g, to += packed_group_bytes(format_)) {
      const uint8_t* low = from + g / 4 * 64 + g % 2 * 32;
      const uint8_t* high = from + 128 + g / 4 * 32;
      const bool upper = g % 4 >= 2;
      for (int64_t j = 0; j < 4; ++j) {
        store(paired(column(low + 4 * j), column(low + 16 + 4 * j), upper), to + 64 * j);
      }
      for (int half = 0; half < 2; ++half) {
        W bits = W::all(0);
        for (int j = 0; j < 4; ++j) {
          const W word = column(high + 16 * half + 4 * j).shifted_right(2 * (g % 4));
          bits = bits | (word & W::all(0x03030303)).shifted_left(2 * j);
        }
        store(bits, to + 256 + 64 * half);
      }
    }
  }

  int64_t row_bytes_;
  const uint8_t* from_;
  uint8_t* to_;
  int64_t first_row_;
  int64_t blocks_;
  int64_t block_bytes_;
  PackedFormat format_;
};

// False, and nothing done, for what it is not for: tiles that are not full, and rows so long that
// a vector of offsets cannot reach over all of them.
template <class W>
bool pack_rows(const PackRowsArgs& args) {
  if (args.rows != kPackedRows || args.row_bytes > (int64_t{1} << 26)) return false;
  const int64_t blocks = args.k / packed_block_size(args.format);
  for (int64_t row = 0; row < kPackedRows; row += W::kRows) {
    RowPacker<W>(args, row, blocks).run();
  }
  return true;
}

}  // namespace cadre::kernels::loops
