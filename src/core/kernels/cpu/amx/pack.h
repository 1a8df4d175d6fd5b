// Copies of a factor in the order in which tiles are loaded, padded with zeros to whole tiles.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/kernels/cpu/amx/tiles.h"
#include "core/tensor/dtype.h"

namespace cadre::kernels::amx {

// One factor of the product. Lanes are rows of the left factor or columns of the right one.
struct Factor {
  const bf16* data;
  int64_t stride;
  bool k_contiguous;  // element (lane, p) at data[lane * stride + p], else at data[p * stride +
                      // lane]
  int64_t lanes;
};

// Tiles are multiplied in groups: of 3 on the left, of 2 on the right.
constexpr int64_t kLeftTiles = 3;
constexpr int64_t kRightTiles = 2;
constexpr int64_t kBlockBytes = kLeftTiles * kRightTiles * kTileBytes;

struct Group {
  int64_t first;  // lane
  int64_t tiles;
};

// The group that begins at `lane` of lanes up to `end`; two and two tiles rather than three and
// one.
constexpr Group group_at(int64_t lane, int64_t end, bool left) {
  const int64_t tiles = (end - lane + kTileWidth - 1) / kTileWidth;
  const int64_t width = left ? kLeftTiles : kRightTiles;
  if (left && tiles == 4) return {lane, 2};
  return {lane, tiles < width ? tiles : width};
}

// Lanes [begin, end) and steps [k_begin, k_end) of k, as to[group][step of 32][tile][1024 bytes].
// What lies past `end` or k_end in the last tiles is zero.
struct Panel {
  Factor factor;
  bool left;
  int64_t begin;
  int64_t end;
  int64_t k_begin;
  int64_t k_end;
  std::byte* to;  // 64-byte aligned

  int64_t steps() const { return (k_end - k_begin + kTileDepth - 1) / kTileDepth; }
};

// Packs a panel in pieces, in the order in which memory is best read: where k is contiguous a tile
// at a time, along its rows; else all lanes of a step at a time. With each piece memory is asked
// for that is packed a group, or a step, later: pieces are packed between products, and one that
// waits for memory makes these wait too.
class Packer {
 public:
  explicit Packer(const Panel& panel) noexcept;

  // The number of pieces in all; 0 if the panel has no lanes.
  int64_t pieces() const { return pieces_; }
  // Packs the next piece, if one is left.
  void advance() noexcept;
  void finish() noexcept;

 private:
  void pack_step(int64_t step);
  void pack_tile();

  Panel panel_;
  int64_t steps_;
  int64_t pieces_;
  int64_t done_ = 0;
  // Where the next tile goes, if k is contiguous.
  Group group_{};
  int64_t tile_ = 0;  // of the group
  int64_t step_ = 0;
  std::byte* to_ = nullptr;  // of the group
};

}  // namespace cadre::kernels::amx
