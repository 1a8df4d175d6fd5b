#include "model/read_piece.h"

#include <algorithm>
#include <string>

#include "core/ops/blocks.h"
#include "model/rearrange.h"

namespace cadre::model {
namespace {

constexpr int64_t kGrain = 1 << 18;  // elements that a thread makes at a time

std::byte* bytes_of(const Tensor& tensor) { return static_cast<std::byte*>(tensor.raw()); }

void cast(Context& ctx, const void* from, DType from_type, void* to, DType to_type,
          int64_t elements) {
  const kernels::CastArgs args = {from, from_type, to, to_type};
  ctx.for_rows(elements, dtype_size(to_type),
               [&](Range range) { ctx.kernels().cast(args, range); });
}

// Elements [begin, end) of a tensor of blocks.
void read_run(Context& ctx, const io::TensorSource& source, const std::string& name, BlockType type,
              Range stored, DType to_type, std::byte* out) {
  if (!source.is_made(name)) {
    ops::dequantise(ctx, whole_blocks(source, name), type, stored, to_type, out);
    return;
  }
  const BlockLayout layout = block_layout(type);
  const int64_t first = stored.begin / layout.elements;
  const int64_t count = (stored.end + layout.elements - 1) / layout.elements - first;
  const Tensor blocks = ctx.empty({count * layout.bytes}, DType::u8);
  ctx.for_blocks(count, kGrain / layout.elements, [&](Range range) {
    source.make(name,
                {(first + range.begin) * layout.elements, (first + range.end) * layout.elements},
                bytes_of(blocks) + range.begin * layout.bytes);
  });
  const int64_t begin = stored.begin - first * layout.elements;
  ops::dequantise(ctx, {bytes_of(blocks), static_cast<size_t>(blocks.bytes())}, type,
                  {begin, begin + stored.size()}, to_type, out);
}

void read_blocks(Context& ctx, const io::TensorSource& source, const FilePart& piece,
                 BlockType blocks, Range local, DType type, std::byte* out) {
  const auto run = [&](int64_t begin, int64_t end, std::byte* to) {
    read_run(ctx, source, piece.name, blocks, {piece.file_offset + begin, piece.file_offset + end},
             type, to);
  };
  const AxisSwap& swap = piece.swap;
  if (swap.is_identity()) return run(local.begin, local.end, out);
  if (local.size() == piece.elements || swap.width == 1) {
    const Tensor whole = ctx.empty({piece.elements}, type);
    run(0, piece.elements, bytes_of(whole));
    rearrange(ctx, bytes_of(whole), swap, local, dtype_size(type), out);
    return;
  }
  for (int64_t i = local.begin; i < local.end;) {
    const int64_t within = i % swap.width;
    const int64_t count = std::min(local.end - i, swap.width - within);
    const int64_t from = stored_run(swap, i / swap.width) * swap.width + within;
    run(from, from + count, out + (i - local.begin) * dtype_size(type));
    i += count;
  }
}

// Elements [begin, end) of a tensor that is made anew.
void read_made(Context& ctx, const io::TensorSource& source, const std::string& name, Range stored,
               DType type, std::byte* out) {
  const DType made = source.find(name)->dtype;
  const Tensor values = made == type ? Tensor() : ctx.empty({stored.size()}, made);
  std::byte* to = values.defined() ? bytes_of(values) : out;
  ctx.for_blocks(stored.size(), kGrain, [&](Range range) {
    source.make(name, {stored.begin + range.begin, stored.begin + range.end},
                to + range.begin * dtype_size(made));
  });
  if (values.defined()) cast(ctx, to, made, out, type, stored.size());
}

}  // namespace

Tensor whole_tensor(const io::TensorSource& source, const std::string& name) {
  const io::TensorInfo* info = source.find(name);
  Tensor tensor = source.tensor(name);
  CADRE_CHECK(tensor.shape() == info->shape && tensor.dtype() == info->dtype);
  return tensor;
}

std::span<const std::byte> whole_blocks(const io::TensorSource& source, const std::string& name) {
  const io::TensorInfo* info = source.find(name);
  const std::span<const std::byte> blocks = source.blocks(name);
  CADRE_CHECK(std::ssize(blocks) == block_bytes(*info->blocks, info->shape));
  return blocks;
}

void read_piece(Context& ctx, const io::TensorSource& source, const FilePart& piece, Range local,
                DType type, std::byte* out) {
  if (const io::TensorInfo* info = source.find(piece.name); info->blocks) {
    read_blocks(ctx, source, piece, *info->blocks, local, type, out);
    return;
  }
  if (piece.swap.is_identity() && source.is_made(piece.name)) {
    read_made(ctx, source, piece.name,
              {piece.file_offset + local.begin, piece.file_offset + local.end}, type, out);
    return;
  }
  const Tensor tensor = whole_tensor(source, piece.name);
  const int64_t size = dtype_size(tensor.dtype());
  const std::byte* from = bytes_of(tensor) + piece.file_offset * size;
  if (piece.swap.is_identity()) {
    cast(ctx, from + local.begin * size, tensor.dtype(), out, type, local.size());
    return;
  }
  if (tensor.dtype() == type) {
    rearrange(ctx, from, piece.swap, local, size, out);
    return;
  }
  const Tensor moved = ctx.empty({local.size()}, tensor.dtype());
  rearrange(ctx, from, piece.swap, local, size, bytes_of(moved));
  cast(ctx, moved.raw(), moved.dtype(), out, type, local.size());
}

}  // namespace cadre::model
