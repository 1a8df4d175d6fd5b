// Weights on their way from files into packed matrices.
#include <algorithm>
#include <cstring>
#include <vector>

#include "core/kernels/quantise.h"
#include "core/ops/blocks.h"
#include "core/ops/weight.h"

namespace cadre::ops {
namespace {

// Values that pack_values() asks for at a time.
constexpr int64_t kChunkBytes = 32 << 20;

int64_t row_bytes(PackedFormat format, int64_t k) {
  const BlockLayout layout = block_layout(block_type(format));
  return k / layout.elements * layout.bytes;
}

// Where each row lies: tiles may reach over the ends of pieces.
class RowFinder {
 public:
  explicit RowFinder(std::span<const BlockRows> pieces) : pieces_(pieces) {
    int64_t end = 0;
    for (const BlockRows& piece : pieces) ends_.push_back(end += piece.count);
  }
  int64_t rows() const { return ends_.empty() ? 0 : ends_.back(); }
  // The row, and how many follow it in its piece, itself included.
  std::pair<const std::byte*, int64_t> find(int64_t row) const {
    const auto i =
        static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin());
    const BlockRows& piece = pieces_[i];
    const int64_t left = ends_[i] - row;
    return {piece.first + (piece.count - left) * piece.row_bytes, left};
  }

 private:
  std::span<const BlockRows> pieces_;
  std::vector<int64_t> ends_;
};

}  // namespace

PackedMatrix empty_packed(Context& ctx, PackedFormat format, int64_t count, int64_t rows,
                          int64_t k) {
  CADRE_CHECK(k % packed_block_size(format) == 0);
  PackedMatrix matrix = {format, count, rows, k, nullptr};
  matrix.storage = ctx.allocator().allocate(matrix.bytes());
  return matrix;
}

PackedMatrix pack(Context& ctx, PackedFormat format, int64_t count, int64_t rows, int64_t k,
                  std::span<const BlockRows> pieces) {
  const PackedMatrix matrix = empty_packed(ctx, format, count, rows, k);
  pack_into(ctx, matrix, {0, count}, pieces);
  return matrix;
}

void pack_into(Context& ctx, const PackedMatrix& stack, Range matrices,
               std::span<const BlockRows> pieces) {
  CADRE_CHECK(0 <= matrices.begin && matrices.end <= stack.count);
  const int64_t count = matrices.size();
  const int64_t rows = stack.rows;
  const int64_t bytes = row_bytes(stack.format, stack.k);
  for (const BlockRows& piece : pieces) CADRE_CHECK(piece.row_bytes == bytes);
  const RowFinder finder(pieces);
  CADRE_CHECK(finder.rows() == count * rows);
  const int64_t tiles = packed_tiles(rows);
  ctx.for_tasks(count * tiles, kPackedRows * bytes, [&](int64_t i, std::byte* scratch) {
    const int64_t begin = i % tiles * kPackedRows;
    const int64_t height = std::min(kPackedRows, rows - begin);
    const int64_t first = i / tiles * rows + begin;
    auto [blocks, left] = finder.find(first);
    if (left < height) {
      for (int64_t r = 0; r < height; ++r) {
        std::memcpy(scratch + r * bytes, finder.find(first + r).first, static_cast<size_t>(bytes));
      }
      blocks = scratch;
    }
    ctx.kernels().pack_rows({.blocks = blocks,
                             .row_bytes = bytes,
                             .format = stack.format,
                             .rows = height,
                             .k = stack.k,
                             .tile = stack.tile(matrices.begin + i / tiles, i % tiles)});
  });
}

PackedMatrix pack_values(Context& ctx, PackedFormat format, int64_t count, int64_t rows, int64_t k,
                         const std::function<void(Range rows, float* values)>& read) {
  const PackedMatrix matrix = empty_packed(ctx, format, count, rows, k);
  pack_values_into(ctx, matrix, {0, count}, read);
  return matrix;
}

void pack_values_into(Context& ctx, const PackedMatrix& stack, Range matrices,
                      const std::function<void(Range rows, float* values)>& read) {
  CADRE_CHECK(0 <= matrices.begin && matrices.end <= stack.count);
  const int64_t count = matrices.size();
  const int64_t rows = stack.rows;
  const int64_t k = stack.k;
  const BlockType type = block_type(stack.format);
  const int64_t bytes = row_bytes(stack.format, k);
  const int64_t blocks = k / packed_block_size(stack.format);
  const int64_t tiles = packed_tiles(rows);
  const int64_t step = std::clamp<int64_t>(kChunkBytes / (kPackedRows * k * 4), 1, count * tiles);
  const Tensor values = ctx.empty({step * kPackedRows, k}, DType::f32);
  for (int64_t begin = 0; begin < count * tiles; begin += step) {
    const int64_t end = std::min(count * tiles, begin + step);
    // The first row of a tile; that of the one behind the last ends the range.
    const auto row_of = [&](int64_t tile) {
      return tile / tiles * rows + std::min(rows, tile % tiles * kPackedRows);
    };
    const int64_t first = row_of(begin);
    read({first, end == count * tiles ? count * rows : row_of(end)}, values.data<float>());
    ctx.for_tasks(end - begin, kPackedRows * bytes, [&](int64_t i, std::byte* scratch) {
      const int64_t tile = begin + i;
      const int64_t height = std::min(kPackedRows, rows - tile % tiles * kPackedRows);
      const float* x = values.data<float>() + (row_of(tile) - first) * k;
      const Range all = {0, height * blocks};
      if (kernels::can_quantise(type)) {
        ctx.kernels().quantise({.x = x, .blocks = scratch, .type = type}, all);
      } else {
        ctx.kernels().round_blocks({.x = x,
                                    .importance = nullptr,
                                    .first_column = 0,
                                    .width = k,
                                    .blocks = scratch,
                                    .type = type},
                                   all);
      }
      ctx.kernels().pack_rows({.blocks = scratch,
                               .row_bytes = bytes,
                               .format = stack.format,
                               .rows = height,
                               .k = k,
                               .tile = stack.tile(matrices.begin + tile / tiles, tile % tiles)});
    });
  }
}

}  // namespace cadre::ops
