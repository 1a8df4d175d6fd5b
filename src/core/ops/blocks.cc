#include "core/ops/blocks.h"

#include <algorithm>
#include <array>

namespace cadre::ops {
namespace {

constexpr int64_t kPiece = 4096;         // values at a time, a multiple of every block
constexpr int64_t kGrain = 16 * kPiece;  // values for a thread
constexpr int64_t kSearchGrain = 16;     // blocks for a thread, each of which takes its time

}  // namespace

void dequantise(Context& ctx, std::span<const std::byte> blocks, BlockType type, Range elements,
                DType to_type, void* to) {
  const BlockLayout layout = block_layout(type);
  CADRE_CHECK(kPiece % layout.elements == 0);
  CADRE_CHECK(elements.begin >= 0 &&
              elements.end <= static_cast<int64_t>(blocks.size()) / layout.bytes * layout.elements);
  if (elements.size() == 0) return;
  const int64_t first = elements.begin / kPiece;
  const int64_t last = (elements.end + kPiece - 1) / kPiece;
  ctx.for_blocks(last - first, kGrain / kPiece, [&](Range pieces) {
    std::array<float, kPiece> values;
    for (int64_t piece = first + pieces.begin; piece < first + pieces.end; ++piece) {
      const int64_t begin = std::max(elements.begin, piece * kPiece);
      const int64_t end = std::min(elements.end, (piece + 1) * kPiece);
      const int64_t first_block = begin / layout.elements;
      const int64_t end_block = (end + layout.elements - 1) / layout.elements;
      ctx.kernels().dequantise({blocks.data() + first_block * layout.bytes, type, values.data()},
                               {0, end_block - first_block});
      const kernels::CastArgs args = {
          values.data() + (begin - first_block * layout.elements), DType::f32,
          static_cast<std::byte*>(to) + (begin - elements.begin) * dtype_size(to_type), to_type};
      ctx.kernels().cast(args, {0, end - begin});
    }
  });
}

void quantise(Context& ctx, std::span<const float> x, BlockType type, std::span<std::byte> blocks) {
  const BlockLayout layout = block_layout(type);
  const auto count = static_cast<int64_t>(x.size()) / layout.elements;
  CADRE_CHECK(kernels::can_quantise(type));
  CADRE_CHECK(count * layout.elements == static_cast<int64_t>(x.size()));
  CADRE_CHECK(count * layout.bytes == static_cast<int64_t>(blocks.size()));
  const kernels::QuantiseArgs args = {x.data(), blocks.data(), type};
  ctx.for_blocks(count, kGrain / layout.elements,
                 [&](Range range) { ctx.kernels().quantise(args, range); });
}

void round_blocks(Context& ctx, std::span<const float> x, BlockType type,
                  const RoundOptions& options, std::span<std::byte> blocks) {
  const BlockLayout layout = block_layout(type);
  const auto count = static_cast<int64_t>(x.size()) / layout.elements;
  CADRE_CHECK(count * layout.elements == static_cast<int64_t>(x.size()));
  CADRE_CHECK(count * layout.bytes == static_cast<int64_t>(blocks.size()));
  CADRE_CHECK(options.width > 0 && options.width % layout.elements == 0);
  CADRE_CHECK(options.first_column % layout.elements == 0);
  CADRE_CHECK(options.importance.empty() ||
              static_cast<int64_t>(options.importance.size()) == options.width);
  ctx.for_blocks(count, kSearchGrain, [&](Range range) {
    const kernels::RoundBlocksArgs args = {
        .x = x.data() + range.begin * layout.elements,
        .importance = options.importance.empty() ? nullptr : options.importance.data(),
        .first_column = options.first_column + range.begin * layout.elements,
        .width = options.width,
        .blocks = blocks.data() + range.begin * layout.bytes,
        .type = type};
    ctx.kernels().round_blocks(args, {0, range.size()});
  });
}

}  // namespace cadre::ops
